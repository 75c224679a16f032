"""Warnings about a configuration and its users: each names the key, a few users and no phone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from radius_voice.login.model import User
from radius_voice.login.phone import Phone
from radius_voice.service.user_warnings import user_warnings
from radius_voice.wiring.adapters import load
from tests.config.conftest import changed, sample

US, GERMAN, PREMIUM, INVALID = "+14155551234", "+4915112345678", "+19001550123", "+441632960123"
ENDED = "2020-01-01T00:00:00Z"


class ListedUsers:
    """An identity source with these users."""

    def __init__(self, users, without_password):
        self.all_users = lambda: users
        self.without_password = lambda: without_password


@pytest.fixture
def warnings_of(tmp_path):
    """The warnings of a configuration with these users, without the file's folder and line."""

    def warnings_of(tree, *users, without_password=()):
        path = tmp_path / "radius-voice.yaml"
        (tmp_path / "users.yaml").touch()
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        path.chmod(0o600)
        loaded = load(path, {})
        source: Any = ListedUsers(users, without_password)
        warnings = loaded.located(user_warnings(loaded.settings, {"people": source}))
        assert not [phone for user in users for phone in user.phones if phone.address[1:] in str(warnings)]
        assert all(sentence.startswith(f"{path}:") for sentence in warnings)
        return [sentence.split(": ", 1)[1] for sentence in warnings]

    return warnings_of


def user(name, *phones, **more):
    return User(name, name, tuple(map(Phone, phones)), **more)


def test_a_probe_user_who_is_also_a_user_gets_a_warning(warnings_of):
    tree = changed("clients.office-vpn.probe", {"user": "Health-Check"})
    (warning,) = warnings_of(tree, user("health-check", US))
    text = "is a user of people too, who cannot log in at this client; choose another name"
    assert warning.endswith(f"clients.office-vpn.probe.user: {text}")
    assert [] == warnings_of(tree, user("alice", US))


def test_users_that_fit_the_configuration_get_no_warning(warnings_of):
    tree = changed(
        "policies.default", {"countries": ["US"], "reply": [{"when": {"group": "staff"}, "set": {"Class": "x"}}]}
    )
    assert [] == warnings_of(
        tree, user("alice", PREMIUM, US, groups=frozenset({"staff"})), user("bob", US, language="de-AT")
    )


def test_a_user_without_a_phone(warnings_of):
    assert ["identity.people.path: users without a phone cannot log in: alice"] == warnings_of(sample(), user("alice"))


def test_a_user_without_a_password(warnings_of):
    users = (user("alice", US), user("bob", US, disabled=True))
    expected = "identity.people.path: users without a password cannot log in: alice"
    assert [expected] == warnings_of(sample(), *users, without_password=users)
    policy = {"first_factor": "none"}
    assert [] == warnings_of(changed("policies.default", policy), *users, without_password=users), (
        "the gateway checks them"
    )


def test_a_users_file_without_any_user(warnings_of):
    expected = "identity.people.path: holds no user, so every login is rejected; add users with: radius-voice users add"
    assert [expected] == warnings_of(sample())


def test_a_user_that_is_disabled_gets_no_warning(warnings_of):
    assert [] == warnings_of(sample(), user("alice", disabled=True), user("bob", PREMIUM, disabled=True))


def test_users_whose_numbers_are_all_of_a_type_that_is_not_called(warnings_of):
    expected = (
        "policies.default: users without a phone that this policy calls cannot log in: "
        "alice (premium number), bob (invalid number)"
    )
    assert [expected] == warnings_of(sample(), user("alice", PREMIUM, PREMIUM), user("bob", INVALID), user("carl", US))


def test_a_number_that_the_policy_allows_gets_no_warning(warnings_of):
    assert [] == warnings_of(changed("policies.default.allow_numbers", ["+4416329"]), user("bob", INVALID))


def test_sip_addresses_whose_domain_the_policy_does_not_allow(warnings_of):
    tree = changed("policies.default", {"countries": ["US"], "sip_domains": ["pbx.example.net"]})
    expected = (
        "policies.default: users without a phone that this policy calls cannot log in: bob (SIP domain "
        "pbx.example.org); write the domains whose SIP addresses may be called into sip_domains"
    )
    users = [user("bob", "sip:3105@pbx.example.org"), user("carl", "sip:3105@pbx.example.net")]
    assert [expected] == warnings_of(tree, *users)
    assert [expected] == warnings_of(tree, users[0])
    assert [] == warnings_of(tree, user("dave", "sip:3105@pbx.example.org", US), users[1])


def test_countries_that_allow_some_of_the_phones(warnings_of):
    tree = changed("policies.default.countries", ["US"])
    expected = "policies.default: users without a phone that this policy calls cannot log in: bob (country DE)"
    assert [expected] == warnings_of(tree, user("alice", US), user("bob", GERMAN))


def test_countries_that_allow_none_of_the_phones(warnings_of):
    tree = changed("policies.default.countries", ["AT", "CH"])
    expected = "policies.default.countries: allow none of the phones of people, which are in DE, US"
    assert [expected] == warnings_of(tree, user("alice", US), user("bob", GERMAN, PREMIUM))


def test_a_policy_that_no_client_uses_gets_no_warning(warnings_of):
    tree = changed("clients.office-vpn.policy", "staff")
    tree["policies"] = {"staff": {"countries": ["US"]}, "default": {"countries": ["DE"]}}
    assert [] == warnings_of(tree, user("alice", US))


def test_a_reply_for_a_group_without_members(warnings_of):
    rules = [{"when": {"group": group}, "set": {"Class": "x"}} for group in ("staff", "Admin", "guests")]
    alice = user("alice", US, groups=frozenset({"staff", "admins"}))
    assert [
        "policies.default.reply[1].when.group: no user of people is in this group; did you mean admins?",
        "policies.default.reply[2].when.group: no user of people is in this group",
    ] == warnings_of(changed("policies.default.reply", rules), alice)


def test_phones_that_are_reserved_for_fiction_get_a_warning_except_in_development(warnings_of):
    expected = "identity.people.path: users whose phones are reserved for fiction cannot be reached: alice"
    users = (user("alice", "+14155550123", "+442079460123"), user("bob", "+14155550123", US))
    assert [expected] == warnings_of(sample(), *users)
    assert [] == warnings_of(changed("development", True), *users)


def test_a_warning_names_three_users_and_how_many_more_there_are(warnings_of):
    (warning,) = warnings_of(sample(), *(user(f"user{number}") for number in range(1000)))
    assert "users without a phone cannot log in: user0, user1, user2 and 997 more" in warning


def test_a_name_cannot_forge_a_line_of_the_log(warnings_of):
    (warning,) = warnings_of(sample(), user("a\nb\x1b[2J"), user("c", US))[:1]
    assert "'a\\nb\\x1b[2J'" in warning


def exempting(*exemptions):
    return changed("policies.default.exemptions", [{**each, "reason": "x"} for each in exemptions])


def test_a_name_or_group_in_an_exemption_that_no_user_has(warnings_of):
    tree = exempting({"users": ["svc-bakup", "ALICE"]}, {"groups": ["staf"]})
    staff = frozenset({"staff"})
    assert [
        "policies.default.exemptions[0]: people has no user svc-bakup; did you mean svc-backup?",
        "policies.default.exemptions[1]: no user of people is in group staf; did you mean staff?",
    ] == warnings_of(tree, user("alice", US, groups=staff), user("svc-backup", US))


def test_an_exempt_user_needs_no_phone(warnings_of):
    tree = exempting({"users": ["svc-backup"]}, {"groups": ["operators"], "networks": ["10.0.0.0/8"]})
    operator = user("operator", groups=frozenset({"operators"}))
    assert [] == warnings_of(tree, user("svc-backup"), operator)
    assert ["identity.people.path: users without a phone cannot log in: bob"] == warnings_of(
        tree, user("svc-backup"), operator, user("bob")
    )


def test_a_user_without_a_phone_is_accepted_until_report_mode_or_the_grace_period_ends(warnings_of):
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    mode = {"report_until": until, "pilot_groups": ["pilot"]}
    rules = [{"when": {"group": "new"}, "grace_until": until}, {"when": {"group": "pilot"}, "grace_until": ENDED}]
    pilot, new = user("pilot", groups=frozenset({"pilot"})), user("new", groups=frozenset({"new"}))
    now = "identity.people.path: users without a phone cannot log in: pilot"
    later = "identity.people.path: users without a phone cannot log in after report mode or the grace period ends: "
    assert [now, later + "new"] == warnings_of(changed("policies.default.mode", mode), pilot, new)
    assert [now, later + "new"] == warnings_of(changed("policies.default.group_rules", rules), pilot, new)


def test_a_pilot_group_that_no_user_is_in(warnings_of):
    mode = {"report_until": "2020-01-01T00:00:00Z", "pilot_groups": ["pilot", "pilott"]}
    expected = "policies.default.mode.pilot_groups[1]: no user of people is in this group; did you mean pilot?"
    assert [expected] == warnings_of(
        changed("policies.default.mode", mode), user("alice", US, groups=frozenset({"pilot"}))
    )


def test_users_with_an_extension_that_machine_detection_cannot_reach(warnings_of):
    with_extension = User("alice", "alice", (Phone(US, "42"),))
    (warning,) = warnings_of(changed("policies.default", {"voicemail": "detect"}), with_extension, user("bob", US))
    assert warning.startswith("policies.default.voicemail: detect does not work for numbers with an extension")
    assert warning.endswith(
        "write press for these users, or configure callbacks, so that they are asked for a key: alice"
    )


def test_users_with_an_extension_who_are_asked_for_a_key_get_no_warning(warnings_of):
    with_extension = User("alice", "alice", (Phone(US, "42"),), groups=frozenset({"desk"}))
    callbacks = {"callbacks": {"public_url": "https://voice.example.org"}}
    assert [] == warnings_of(changed("policies.default", {"voicemail": "detect"}) | callbacks, with_extension)
    rules = {"voicemail": "detect", "group_rules": [{"when": {"group": "desk"}, "voicemail": "off"}]}
    assert [] == warnings_of(changed("policies.default", rules), with_extension)
