"""Rules between the settings of a policy, and between policies and clients."""

import sys
import zoneinfo
from copy import deepcopy

import pytest

from radius_voice.config.start_warnings import report_modes, start_warnings
from radius_voice.login.model import User
from radius_voice.login.policies.allowed_hours import Hours
from radius_voice.login.policies.policy import Remember
from radius_voice.login.policies.roll_out import GracePeriod, ReportMode
from radius_voice.wiring.policies import policies_of
from tests.config.conftest import NOW, changed, sample
from tests.config.test_load import at

BY_NETWORK = {"networks": ["10.0.0.0/8"], "reason": "head office"}
BY_USER = {"users": ["svc-backup"], "reason": "no phone line"}
GATEWAY_ONLY = {"first_factor": "none", "directory": "people"}
UNCHECKED = "would accept users without any check, because first_factor is none"


def with_policy(**policy):
    return changed("policies.default", policy)


class Source:
    directory = object()


def rules_of(file, tree):
    """The login's rules of the policy `default`, and those of its groups."""
    policy = policies_of(file.load(tree).settings, {"people": Source()})["default"]  # type: ignore[dict-item]
    return policy.rules, policy.group_rules


@pytest.mark.parametrize(
    "policy",
    [{"exemptions": [BY_USER]}, {"remember": "12h"}, {"grace_until": at(60)}],
    ids=lambda policy: next(iter(policy)),
)
def test_a_right_password_suffices_only_where_this_server_or_the_gateway_checks_it(file, policy):
    (key,) = policy
    (error,) = file.errors(with_policy(**GATEWAY_ONLY, **policy))
    assert f"policies.default.{key}: {UNCHECKED}" in error
    group = {"when": {"group": "staff"}, **policy}
    (error,) = file.errors(with_policy(**GATEWAY_ONLY, group_rules=[group]))
    assert f"policies.default.group_rules[0].{key}: {UNCHECKED}" in error
    (error,) = file.errors(with_policy(**GATEWAY_ONLY, **policy, group_rules=[{"when": {"group": "staff"}}]))
    assert f"policies.default.{key}: " in error
    assert file.load(with_policy(**GATEWAY_ONLY, **policy, gateway_checks_password=True)).settings


def test_report_mode_needs_a_password_that_is_checked(file):
    (error,) = file.errors(with_policy(**GATEWAY_ONLY, mode={"report_until": at(60)}))
    assert f"policies.default.mode: {UNCHECKED}" in error
    assert file.load(with_policy(**GATEWAY_ONLY, mode="enforce")).settings
    allowed = with_policy(**GATEWAY_ONLY, mode={"report_until": at(60)}, gateway_checks_password=True)
    assert file.load(allowed).settings


NINETY_DAYS = 90 * 86400


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"mode": "report"}, "mode: must be 'enforce', or a mapping with report_until"),
        ({"mode": {}}, "mode.report_until: is missing"),
        ({"mode": {"pilot_groups": ["pilot"]}}, "mode.report_until: is missing"),
        ({"mode": {"report_until": "2027-01-20T00:00:00"}}, "the time has no zone"),
        ({"mode": {"report_until": at(NINETY_DAYS + 1)}}, "mode.report_until: must be at most 90 days ahead"),
        ({"mode": {"report_until": at(60), "pilot_groups": []}}, "pilot_groups: must not be empty"),
        ({"grace_until": at(NINETY_DAYS + 1)}, "grace_until: must be at most 90 days ahead"),
        ({"grace_until": "soon"}, "grace_until: not a time"),
        (
            {"group_rules": [{"when": {"group": "a"}, "mode": "enforce"}]},
            "group_rules[0].mode: belongs to the policy, where pilot_groups names groups",
        ),
        (
            {"group_rules": [{"when": {"group": "a"}, "grace_until": at(NINETY_DAYS + 1)}]},
            "group_rules[0].grace_until: must be at most 90 days ahead",
        ),
    ],
)
def test_a_step_of_the_roll_out_is_dated(file, policy, expected):
    (error,) = file.errors(with_policy(**policy))
    assert f"policies.default.{expected}" in error or expected in error
    assert "policies.default." in error


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        ({"mode": {"report_until": at(0)}}, "mode.report_until: has passed, so the policy is enforced; remove mode"),
        ({"grace_until": at(0)}, "grace_until: has passed, so the policy is enforced; remove grace_until"),
        ({"group_rules": [{"when": {"group": "a"}, "grace_until": at(0)}]}, "group_rules[0].grace_until: has passed"),
    ],
)
def test_a_step_of_the_roll_out_that_has_ended_is_a_warning(file, policy, key):
    (warning,) = file.load(with_policy(**policy)).warnings
    assert f"policies.default.{key}" in warning


def test_a_step_of_the_roll_out_may_last_ninety_days(file):
    mode = {"report_until": at(NINETY_DAYS), "pilot_groups": ["pilot"]}
    group_rules = [{"when": {"group": "staff"}, "grace_until": at(60)}, {"when": {"group": "guests"}}]
    tree = with_policy(mode=mode, grace_until=at(NINETY_DAYS), group_rules=group_rules)
    policy = policies_of(file.load(tree).settings, {"people": Source()})["default"]  # type: ignore[dict-item]
    path = ("policies", "default")
    assert ReportMode((*path, "mode"), NOW + NINETY_DAYS, frozenset({"pilot"})) == policy.report_mode
    grace = GracePeriod((*path, "grace_until"), NOW + NINETY_DAYS)
    assert grace == policy.rules.grace_period == policy.group_rules["guests"].grace_period
    own = GracePeriod((*path, "group_rules", 0, "grace_until"), NOW + 60)
    assert own == policy.group_rules["staff"].grace_period


def test_steps_of_the_roll_out_are_announced_at_start(file, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW)
    mode = {"report_until": at(60), "pilot_groups": ["pilot"]}
    group_rules = [{"when": {"group": "staff"}, "grace_until": at(60)}]
    report, grace = start_warnings(file.load(with_policy(mode=mode, group_rules=group_rules)).settings)
    until = "until 2027-01-15 08:01 UTC the right password is sufficient"
    assert f"policy default: mode.report_until: {until}, and other decisions are only recorded" in report
    assert report.endswith(", except members of pilot")
    expected = f"policy default: group_rules[0].grace_until: {until} for users without a phone"
    assert expected == grace
    assert [] == start_warnings(file.load(with_policy(mode={"report_until": at(0)}, grace_until=at(0))).settings)


def test_the_metric_shows_which_policies_are_in_report_mode(file):
    tree = with_policy(mode={"report_until": at(60)})
    tree["policies"]["other"] = {"mode": "enforce"}
    settings = file.load(tree).settings
    assert {"default": True, "other": False} == report_modes(settings, NOW + 59)
    assert {"default": False, "other": False} == report_modes(settings, NOW + 60)


@pytest.mark.parametrize("require", ["auto", "no"])
def test_an_exemption_by_network_needs_message_authenticator(file, require):
    tree = with_policy(exemptions=[BY_USER], group_rules=[{"when": {"group": "staff"}, "exemptions": [BY_NETWORK]}])
    tree["clients"]["office-vpn"]["require_message_authenticator"] = require
    (error,) = file.errors(tree)
    expected = "clients.office-vpn.require_message_authenticator: must be yes where policy default has exemptions"
    assert expected in error
    tree["policies"]["default"].pop("group_rules")
    assert file.load(tree).settings


def test_remembered_logins_need_message_authenticator(file):
    tree = with_policy(group_rules=[{"when": {"group": "staff"}, "remember": "12h"}])
    tree["clients"]["office-vpn"]["require_message_authenticator"] = "auto"
    (error,) = file.errors(tree)
    assert "clients.office-vpn.require_message_authenticator: must be yes where policy default remembers" in error


def test_logins_are_remembered_by_the_policy_or_a_group_and_not_by_default(file):
    assert rules_of(file, with_policy())[0].remember is None
    group_rules = [{"when": {"group": name}, **rule} for name, rule in (("a", {}), ("b", {"remember": "off"}))]
    own, of_groups = rules_of(file, with_policy(remember="12h", group_rules=group_rules))
    expected = Remember(("policies", "default", "remember"), 43200.0)
    assert [expected, expected, None] == [each.remember for each in (own, of_groups["a"], of_groups["b"])]


@pytest.mark.parametrize("remember", ["30s", "31d", 12, "always"])
def test_the_time_of_remembered_logins_is_a_duration(file, remember):
    (error,) = file.errors(with_policy(remember=remember))
    assert "policies.default.remember: " in error


def test_an_exemption_by_network_of_another_policy_needs_no_message_authenticator(file):
    tree = sample()
    tree["policies"] = {"other": {"exemptions": [BY_NETWORK]}}
    tree["clients"]["second"] = {"address": "10.0.0.2", "secret": "another-secret-of-32-characters!", "policy": "other"}
    tree["clients"]["office-vpn"]["require_message_authenticator"] = "auto"
    assert file.load(tree).settings


def test_each_rule_names_its_place_in_the_file(file):
    group_rules = [
        {"when": {"group": "staff"}, "exemptions": [BY_NETWORK]},
        {"when": {"group": "guests"}, "countries": ["US"]},
        {"when": {"group": "boards"}, "exemptions": []},
    ]
    own, of_groups = rules_of(file, with_policy(exemptions=[BY_USER, deepcopy(BY_NETWORK)], group_rules=group_rules))
    policy = ("policies", "default")
    assert [(*policy, "exemptions", 0), (*policy, "exemptions", 1)] == [each.rule for each in own.exemptions]
    staff, guests, boards = of_groups["staff"], of_groups["guests"], of_groups["boards"]
    assert [(*policy, "group_rules", 0, "exemptions", 0)] == [each.rule for each in staff.exemptions]
    assert [each.rule for each in own.exemptions] == [each.rule for each in guests.exemptions]
    assert () == boards.exemptions
    assert [policy, (*policy, "group_rules", 1)] == [own.rule, guests.rule]


def test_names_are_compared_in_canonical_form_and_addresses_read_from_the_named_attribute(file):
    exemption = {"users": [" Svc-Backup"], "networks": ["192.0.2.1"], "address_attribute": "Framed-IP-Address"}
    (loaded,) = rules_of(file, with_policy(exemptions=[{**exemption, "reason": "x"}]))[0].exemptions
    user = User("1", "svc-backup")
    assert loaded.applies(user, [(8, bytes((192, 0, 2, 1)))])
    assert not loaded.applies(user, [(31, b"192.0.2.1")])
    (loaded,) = rules_of(file, with_policy(exemptions=[BY_NETWORK]))[0].exemptions
    assert loaded.applies(user, [(31, b"10.0.0.1")])


HOURS = {"time_zone": "Europe/Berlin", "hours": ["mon-fri 07:00-19:00"]}


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ({"hours": ["mon 07:00-19:00"]}, "time_zone: is missing"),
        ({"time_zone": "Europe/Berlin"}, "hours: is missing"),
        ({**HOURS, "time_zone": "Europe/Berln"}, "no such time zone; did you mean Europe/Berlin?"),
        ({**HOURS, "time_zone": "Europe"}, "no such time zone"),
        ({**HOURS, "time_zone": "../zoneinfo/UTC"}, "no such time zone; write a name like"),
        ({**HOURS, "time_zone": "/etc/passwd"}, "no such time zone; write a name like"),
        ({**HOURS, "time_zone": ""}, "no such time zone; write a name like"),
        ({**HOURS, "time_zone": 1}, "in quotes"),
        ({**HOURS, "hours": []}, "must not be empty"),
        ({**HOURS, "hours": "mon-fri 07:00-19:00"}, "must be a list; write it like ['mon-fri 07:00-19:00']"),
        ({**HOURS, "hours": ["Mon-Fri 7-19"]}, "not hours of the week; write them like 'mon-fri 07:00-19:00'"),
        ({**HOURS, "hours": ["mon 24:00-07:00"]}, "not hours of the week"),
        ({**HOURS, "hours": ["mon 07:00-07:00"]}, "write 00:00-24:00 for whole days"),
    ],
)
def test_wrong_allowed_hours_are_an_error(file, hours, expected):
    (error,) = file.errors(with_policy(allowed_hours=hours))
    assert "policies.default.allowed_hours" in error
    assert expected in error


def test_a_machine_without_a_time_zone_database_is_an_error_with_the_fix(file, monkeypatch):
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    monkeypatch.setitem(sys.modules, "tzdata", None)
    try:
        (error,) = file.errors(with_policy(allowed_hours=HOURS))
    finally:
        zoneinfo.reset_tzpath()
    assert "policies.default.allowed_hours.time_zone: this machine has no time zone database; install" in error


def test_a_group_has_its_own_hours_or_those_of_the_policy(file):
    night = {"time_zone": "UTC", "hours": ["sun-thu 22:00-06:00", "sat 10:00-24:00"]}
    group_rules = [{"when": {"group": "night"}, "allowed_hours": night}, {"when": {"group": "staff"}}]
    own, of_groups = rules_of(file, with_policy(allowed_hours=HOURS, group_rules=group_rules))
    assert own.allowed_hours == of_groups["staff"].allowed_hours
    assert ("policies", "default", "allowed_hours") == own.allowed_hours.rule
    assert (Hours(frozenset(range(5)), 420, 1140),) == own.allowed_hours.hours
    assert ("policies", "default", "group_rules", 0, "allowed_hours") == of_groups["night"].allowed_hours.rule
    expected = (Hours(frozenset({6, 0, 1, 2, 3}), 1320, 360), Hours(frozenset({5}), 600, 1440))
    assert expected == of_groups["night"].allowed_hours.hours


def test_a_group_has_one_rule(file):
    group_rules = [{"when": {"group": group}} for group in ("staff", "guests", "staff")]
    (error,) = file.errors(with_policy(group_rules=group_rules))
    expected = "policies.default.group_rules[2].when.group: already has a rule, group_rules[0]; merge the two rules"
    assert expected in error
