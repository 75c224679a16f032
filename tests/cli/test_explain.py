"""`explain`: a past login from the audit log, and the decisions about the next one."""

import gzip
import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.network import free_port
from tests.support.provider_callbacks import callbacks_section
from tests.support.server_process import BASE_CONFIGURATION, ConfiguredUser, write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, policy: staff}
policies:
  staff:
    countries: [US]
    group_rules:
      - when: {group: abroad}
        countries: [FR]
      - when: {group: exceptions}
        allow_numbers: ["+3361"]
limits:
  wrong_codes: {user: 1 per 24h}
store: {type: memory}
"""
TEXTS = """\
  default: {methods: [sms]}
  staff:
    methods: [sms]
"""
START = BASE_CONFIGURATION.count("\n")
LDAP = f"""\
identity:
  people: {{type: ldap, servers: ["ldaps://127.0.0.1:{free_port()}"], server_type: openldap, base: "dc=example,dc=org"}}
"""
DIGESTS = itertools.count(1000)
US, FR, PREMIUM = "+14155550123", "+33612345678", "+19005550123"


@pytest.fixture
def configured(tmp_path):
    """Writes a configuration and a users file; the configuration's path."""

    def write(configuration=CONFIGURATION, **users):
        path = write_configuration(tmp_path, "http://127.0.0.1:1", configuration, [])
        (tmp_path / "users.yaml").write_text(json.dumps(users))
        return path

    return write


def run(*arguments):
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def explained(path, user="alice", *options):
    """The result of `explain --json`, with the texts, places and reasons of its steps by topic."""
    result = run("--config", path, "--client", "gateway", "--json", *options, user)
    assert 0 == result.exit_code, result.output
    shown = json.loads(result.stdout)
    steps: dict[str, list[tuple[str, list[str], str | None]]] = {}
    for step in shown["steps"]:
        steps.setdefault(step["topic"], []).append((step["text"], step["places"], step["reason"]))
    return (shown["outcome"], shown["reason"]), steps


def line_of(text):
    """The line of a text of CONFIGURATION in the file."""
    before = CONFIGURATION.partition(text)[0]
    return START + before.count("\n") + 1


def entry(*phones, **values):
    """A user of a users file; each needs another hash."""
    return {
        "password": f"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ${next(DIGESTS):A>42}A",
        "phones": list(phones),
        **values,
    }


def test_each_decision_names_its_line(configured):
    path = configured(alice=entry(FR, US))

    result, steps = explained(path)

    assert ("challenge", "call_placed") == result
    assert [("gateway: policy staff", [f"{path}:{line_of('gateway:')}: clients.gateway.policy"], None)] == steps[
        "client"
    ]
    directory = ["policies.staff.directory: not written", f"{path}:3: identity.people"]
    assert [("people has the user alice", directory, None)] == steps["directory"]
    countries = f"{path}:{line_of('countries: [US]')}: policies.staff.countries"
    assert [
        ("+33*******78 is not called: country FR", [countries], None),
        ("+14*******23 may be called", [countries], None),
    ] == steps["phone"]
    assert [("twilio calls +14*******23", ["delivery.voice: not written"], None)] == steps["delivery"]
    rules = f"{path}:{line_of('group_rules:')}: policies.staff.group_rules"
    assert [("none: the policy's own rules apply", [rules], None)] == steps["group rule"]


def test_a_rule_for_a_group_decides_by_its_own_line(configured):
    exceptions = ["exceptions"]
    path = configured(
        alice=entry(FR, groups=["abroad"]), bob=entry(FR, groups=exceptions), carol=entry(US, groups=exceptions)
    )

    _, of_alice = explained(path)
    _, of_bob = explained(path, "bob")
    _, of_carol = explained(path, "carol")

    first, second = "policies.staff.group_rules[0]", "policies.staff.group_rules[1]"
    assert ("for members of abroad", [f"{path}:{line_of('- when: {group: abroad}')}: {first}"], None) == of_alice[
        "group rule"
    ][0]
    assert [f"{path}:{line_of('countries: [FR]')}: {first}.countries"] == of_alice["phone"][0][1]
    assert [f"{path}:{line_of('allow_numbers:')}: {second}.allow_numbers"] == of_bob["phone"][0][1]
    assert [f"{path}:{line_of('countries: [US]')}: policies.staff.countries"] == of_carol["phone"][0][1]


@pytest.mark.parametrize(
    ("host", "text"), [("pbx.example.org", "may be called"), ("example.org", "is not called: SIP domain example.org")]
)
def test_the_list_of_domains_decides_about_a_sip_address(configured, host, text):
    rules = "    sip_domains: [pbx.example.org]\n    countries: [US]\n"
    path = configured(CONFIGURATION.replace("    countries: [US]\n", rules), alice=entry(f"sip:3105@{host}"))
    _, steps = explained(path)
    place = f"{path}:{line_of('countries: [US]')}: policies.staff.sip_domains"
    assert [(f"sip:31**@{host} {text}", [place], None)] == steps["phone"]


@pytest.mark.parametrize(
    ("user", "topic", "reason"),
    [
        ("nameless", "directory", "unknown_user"),
        ("disabled", "rules", "disabled"),
        ("no-password", "first factor", "no_password"),
        ("no-phone", "rules", "no_phone"),
        ("abroad", "rules", "number_not_allowed"),
        ("premium", "rules", "number_not_allowed"),
    ],
)
def test_the_first_reject_is_the_result(configured, user, topic, reason):
    path = configured(
        **{
            "disabled": entry(US, disabled=True),
            "no-password": {"phones": [US]},
            "no-phone": entry(),
            "abroad": entry(FR),
            "premium": entry(PREMIUM),
        }
    )

    result, steps = explained(path, user)

    assert ("reject", reason) == result
    assert reason in [each for _, _, each in steps[topic]]
    assert "delivery" not in steps or user == "no-password"
    shown = run("--config", path, "--client", "gateway", user)
    assert 0 == shown.exit_code
    assert shown.stdout.splitlines()[-1].startswith(f"result        Access-Reject: {reason} (")


def test_without_a_service_limits_and_pins_in_memory_are_not_known(configured):
    result, steps = explained(configured(alice=entry(US)))

    assert ("challenge", "call_placed") == result
    ((text, _, reason),) = steps["limits"]
    assert text.startswith("their use is not known: ")
    ((text, _, reason_of_pins),) = steps["pins"]
    assert ("not known, like the limits", None) == (text, reason_of_pins)
    assert reason is None


EXEMPTIONS = """    exemptions:
      - {users: [bob], reason: no phone}
      - {groups: [operators], networks: [10.0.0.0/8], reason: control room}
"""


@pytest.mark.parametrize(
    ("user", "station", "texts", "result"),
    [
        ("alice", "10.1.2.3", ["does not apply to the user"] * 2, ("challenge", "call_placed")),
        ("bob", "", ["applies: no phone", "does not apply to the user"], ("accept", "exempt")),
        ("carol", "10.1.2.3", ["does not apply to the user", "applies: control room"], ("accept", "exempt")),
        (
            "carol",
            "192.0.2.1",
            ["does not apply to the user", "applies only to callers from 10.0.0.0/8"],
            ("challenge", "call_placed"),
        ),
    ],
)
def test_an_exemption_that_applies_decides(configured, user, station, texts, result):
    configuration = CONFIGURATION.replace("  staff:\n", "  staff:\n" + EXEMPTIONS)
    users = {"alice": entry(US), "bob": entry(US), "carol": entry(US, groups=["operators"])}
    path = configured(configuration, **users)

    decided, steps = explained(path, user, "--calling-station-id", station)

    assert result == decided
    assert texts == [text for text, _, _ in steps["exemption"]]
    ((_, (place,), _),) = steps["rules"]
    index = 1 if user == "carol" else 0
    exemption = f"{path}:{line_of('staff:') + 2 + index}: policies.staff.exemptions[{index}]"
    assert (exemption if result[0] == "accept" else f"{path}:{line_of('staff:')}: policies.staff") == place
    assert ("delivery" in steps) is (result[0] == "challenge")
    shown = run("--config", path, "--client", "gateway", "--calling-station-id", station, user)
    assert ("Access-Accept, if the password is right: exempt (" in shown.stdout) is (result[0] == "accept")


@pytest.mark.parametrize(
    ("hours", "text", "result"),
    [
        ("mon-sun 00:00-24:00", "include this time", ("challenge", "call_placed")),
        ("ANOTHER DAY", "do not include this time", ("reject", "outside_allowed_hours")),
    ],
)
def test_allowed_hours_decide_now(configured, hours, text, result):
    other_day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
    hours = hours.replace("ANOTHER DAY", f"{other_day} 08:00-09:00")
    rule = f"    allowed_hours: {{time_zone: UTC, hours: ['{hours}']}}\n"
    path = configured(CONFIGURATION.replace("  staff:\n", "  staff:\n" + rule), alice=entry(US))

    decided, steps = explained(path)

    assert result == decided
    place = f"{path}:{line_of('staff:') + 1}: policies.staff.allowed_hours"
    assert [(text, [place], None)] == steps["allowed hours"]


REALMS = """\
    realms:
      CORP: {}
      partner.example: {policy: partners}
"""


@pytest.mark.parametrize(
    ("name", "realm", "policy", "result"),
    [
        ("alice", None, "staff", ("challenge", "call_placed")),
        ("corp\\alice", "CORP: user alice, policy staff", "staff", ("challenge", "call_placed")),
        (
            "alice@partner.example",
            "partner.example: user alice, policy partners",
            "partners",
            ("reject", "number_not_allowed"),
        ),
        ("alice@other.example", "not listed, so no user has the name", "staff", ("reject", "unknown_user")),
    ],
)
def test_a_realm_selects_the_policy(configured, name, realm, policy, result):
    gateway = "  gateway:\n    address: 127.0.0.1\n    secret: a shared secret of the tests\n    policy: staff\n"
    inline = CONFIGURATION.partition("clients:\n")[2].partition("policies:")[0]
    configuration = CONFIGURATION.replace(inline, gateway + REALMS) + "\n"
    configuration = configuration.replace("policies:\n", "policies:\n  partners: {countries: [FR]}\n")
    path = configured(configuration, alice=entry(US))

    decided, steps = explained(path, name)

    assert result == decided
    assert realm == (steps["realm"][0][0] if realm else None)
    key = f"policies.{policy}.countries"
    assert "phone" not in steps or steps["phone"][0][1][0].endswith(key)


def test_an_open_bypass_is_named(configured):
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    bypass = f"    on_delivery_failure: {{bypass_until: '{until}'}}\n    countries: [US]"
    path = configured(CONFIGURATION.replace("    countries: [US]", bypass, 1), alice=entry(US))

    _, steps = explained(path)

    text, (place,), _ = steps["delivery"][1]
    assert "if every provider fails by an outage, the login is accepted without a call" == text
    assert place.endswith("policies.staff.on_delivery_failure")


@pytest.mark.parametrize("outcome", ["no_response", "reject"])
def test_an_unavailable_directory_leads_to_the_configured_result(configured, outcome):
    policy = f"  staff:\n    on_unavailable: {outcome}\n"
    path = configured(CONFIGURATION.replace("  staff:\n", policy) + LDAP)

    result, steps = explained(path)

    assert (outcome, "identity_unavailable") == result
    assert steps["directory"][0][1][-1].endswith("policies.staff.on_unavailable")


NOTHING_STORED = {"issued_until": None, "remembered_until": None, "password_known": True}
PINS = {"has_pins": True, "phones_removed": False}
UNPINNED, VERIFIED = {"unpinned": ["+14*******23"]}, {"verified": ["+14*******23"]}
PINNED = [
    ({}, "trust", "refuse", "all phones are pinned", None),
    ({"has_pins": False}, "trust", "refuse", "no phone is pinned yet; a correct code pins the phones", None),
    ({"has_pins": False}, "verified", "refuse", "no phone is verified", "phone_not_verified"),
    ({}, "verified", "refuse", "no phone is verified", "phone_not_verified"),
    (VERIFIED, "verified", "refuse", "all phones are pinned", None),
    (UNPINNED, "trust", "refuse", "not pinned: +14*******23; changed_phone is refuse", "phone_not_confirmed"),
    (UNPINNED, "trust", "alarm", "not pinned: +14*******23; changed_phone is alarm", None),
]


@pytest.fixture
def use_pins(monkeypatch):
    """Sets the pins of a user with these phones: `unpinned` and `verified` are masked phones."""

    def use(phones, *, unpinned=(), verified=(), **values):
        has_pins = values.get("has_pins", True)
        masked = [f"{phone[:3]}*******{phone[-2:]}" for phone in phones]
        rows = [
            {"phone": each, "pinned": has_pins and each not in unpinned, "verified": each in verified}
            for each in masked
        ]

        async def perform(_settings, command, _user, **_login):
            return NOTHING_STORED if command == "login_state" else PINS | values | {"phones": rows}

        monkeypatch.setattr("radius_voice.operations.perform", perform)
        monkeypatch.setattr("radius_voice.operations.limits", no_limits)

    return use


@pytest.mark.parametrize(("pins", "first", "changed", "text", "reason"), PINNED)
def test_the_pins_of_phones_decide(configured, use_pins, pins, first, changed, text, reason):
    use_pins([US], **pins)
    rules = f"    first_phone: {first}\n    changed_phone: {changed}\n"
    path = configured(CONFIGURATION.replace("    countries: [US]\n", rules), alice=entry(US))
    result, steps = explained(path)
    ((shown, (place,), why),) = steps["pins"]
    assert (text, reason) == (shown, why)
    assert place.endswith("changed_phone" if pins.get("unpinned") else "first_phone")
    assert (("reject", reason) if reason else ("challenge", "call_placed")) == result


@pytest.mark.parametrize(
    ("verified", "called", "result"),
    [
        (["+14*******24"], "twilio calls +14*******24", ("challenge", "call_placed")),
        (["+33*******78"], None, ("reject", "phone_not_verified")),
    ],
)
def test_only_a_verified_phone_that_the_policy_allows_is_called(configured, use_pins, verified, called, result):
    rules = "    first_phone: verified\n    countries: [US]\n"
    phones = (FR, US, "+14155550124")
    use_pins(phones, verified=verified)
    path = configured(CONFIGURATION.replace("    countries: [US]\n", rules), alice=entry(*phones))

    decided, steps = explained(path)

    assert result == decided
    assert ([called] if called else []) == [text for text, _, _ in steps.get("delivery", ())]


@pytest.mark.parametrize(
    ("mode", "rules", "result"),
    [
        ("", "the login is rejected: the directory has a phone", ("reject", "phone_not_confirmed")),
        ("mode: {report_until: 'UNTIL'}", "the login would be rejected: the directory", ("accept", "report_mode")),
        ("first_factor: none\n    decoys: true", "is rejected: the directory has", ("challenge", "decoy")),
    ],
)
def test_a_phone_that_is_not_pinned_has_the_result_of_the_login(configured, use_pins, mode, rules, result):
    use_pins([US], **UNPINNED)
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    setting = f"  staff:\n    {mode.replace('UNTIL', until)}\n" if mode else "  staff:\n"
    path = configured(CONFIGURATION.replace("  staff:\n", setting), alice=entry(US))

    decided, steps = explained(path)

    assert result == decided
    assert rules in steps["rules"][0][0]
    assert "delivery" not in steps
    assert "not pinned: +14*******23; changed_phone is refuse" == steps["pins"][0][0]


async def no_limits(_settings, _user):
    return {"limits": []}


@pytest.fixture
def limits(monkeypatch):
    """Sets the limits of the user, and the shared ones; each has a name, a subject and how much is left."""

    def use(own, shared=()):
        def rows(limits):
            return {"limits": [{"limit": a, "of": b, "left": c, "burst": 5, "period": 600.0} for a, b, c in limits]}

        async def read(settings, user):
            return rows(shared if user is None else own)

        monkeypatch.setattr("radius_voice.operations.limits", read)

    return use


def test_a_limit_of_another_station_client_country_or_phone_rejects_no_login(configured, limits):
    own = [("wrong_passwords.user", "name and station", 0), ("calls.phone", "+33*******78", 0)]
    own += [("calls.phone", "+14*******23", 3)]
    limits(own, [("calls.client", "other", 0), ("calls.country", "FR", 0)])

    result, steps = explained(configured(alice=entry(US)))

    assert ("challenge", "call_placed") == result
    expected = ["wrong_passwords.user of name and station: all 5 per 10m are used", "codes and calls: none is used up"]
    assert expected == [text for text, _, _ in steps["limits"]]


@pytest.mark.parametrize(
    ("limit", "user", "reason"),
    [
        ("wrong_codes.user", "alice", "locked"),
        ("wrong_codes.user", "bob", "locked"),
        ("calls.user", "alice", "call_limit"),
        ("calls.user", "bob", "exempt"),
        ("wrong_passwords.user", "bob", "wrong_password_limit"),
        ("directory_lockout.user", "bob", "locked"),
        ("directory_lockout.new_stations", "alice", "call_placed"),
    ],
)
def test_a_limit_that_is_used_up_rejects_an_exempt_user_only_if_it_is_a_lock(configured, limits, limit, user, reason):
    limits([(limit, "name", 0)])
    path = configured(CONFIGURATION.replace("  staff:\n", "  staff:\n" + EXEMPTIONS), alice=entry(US), bob=entry(US))

    (_, decided), _ = explained(path, user)

    assert reason == decided


@pytest.mark.parametrize(
    ("user", "rules", "mode", "result"),
    [
        ("alice", "the user is called", "only recorded", ("accept", "report_mode")),
        ("bob", "would be rejected: the user has no phone", "only recorded", ("accept", "report_mode")),
        ("pilot", "the user is called", "does not apply", ("challenge", "call_placed")),
        ("pilot-without-phone", "is rejected: the user has no phone", "does not apply", ("reject", "no_phone")),
        ("locked", "the user is called", "only recorded", ("accept", "report_mode")),
        ("disabled", "is rejected: the user is disabled", "does not apply", ("reject", "disabled")),
    ],
)
def test_report_mode_accepts_all_users_except_pilots(configured, limits, user, rules, mode, result):
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    report = f"    mode: {{report_until: '{until}', pilot_groups: [pilots]}}\n"
    phones = () if user in {"bob", "pilot-without-phone"} else (US,)
    groups = ["pilots"] if "pilot" in user else []
    limits([("wrong_codes.user", "name", 0 if user == "locked" else 1)])
    path = configured(
        CONFIGURATION.replace("  staff:\n", "  staff:\n" + report),
        **{user: entry(*phones, groups=groups, disabled=user == "disabled")},
    )

    decided, steps = explained(path, user)

    assert result == decided
    assert rules in steps["rules"][0][0]
    ((text, places, reason),) = steps["report mode"]
    assert mode in text
    assert ([f"{path}:{line_of('staff:') + 1}: policies.staff.mode"], None) == (places, reason)


def test_a_grace_period_names_its_line(configured):
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    path = configured(CONFIGURATION.replace("  staff:\n", f"  staff:\n    grace_until: '{until}'\n"), alice=entry())

    decided, steps = explained(path)

    assert ("accept", "grace_period") == decided
    assert [f"{path}:{line_of('staff:') + 1}: policies.staff.grace_until"] == steps["rules"][0][1]


def test_a_grace_period_is_not_for_users_whose_pinned_phones_were_removed(configured, use_pins):
    use_pins([], phones_removed=True)
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    path = configured(CONFIGURATION.replace("  staff:\n", f"  staff:\n    grace_until: '{until}'\n"), alice=entry())
    assert ("reject", "no_phone") == explained(path)[0]


SEPARATE = """identity:
  passwords: {type: users_file, path: users.yaml}
  phones: {type: users_file, path: phones.yaml}
"""


@pytest.mark.parametrize(
    ("mode", "result", "rules"),
    [
        ("enforce", ("reject", "unknown_user"), None),
        ("{report_until: 'UNTIL'}", ("accept", "report_mode"), "the login would be rejected: "),
    ],
)
def test_a_user_who_is_missing_in_a_separate_directory_is_explained(configured, tmp_path, mode, result, rules):
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    policy = f"  staff:\n    first_factor: passwords\n    directory: phones\n    mode: {mode.replace('UNTIL', until)}\n"
    path = configured(CONFIGURATION.replace("  staff:\n", policy) + SEPARATE, alice=entry(US))
    (tmp_path / "phones.yaml").write_text("{}\n")
    (tmp_path / "phones.yaml").chmod(0o600)

    decided, steps = explained(path)

    assert result == decided
    assert "phones has no user of this name" == steps["directory"][0][0]
    assert (rules is not None) == ("rules" in steps)
    assert rules is None or steps["rules"][0][0].startswith(rules)
    assert "call" not in steps


BY_ATTRIBUTE = """    exemptions:
      - {networks: [10.0.0.0/8], address_attribute: Framed-IP-Address, reason: control room}
"""


@pytest.mark.parametrize(
    ("attribute", "reason"), [("Framed-IP-Address=10.1.2.3", "exempt"), ("Framed-IP-Address=192.0.2.1", "call_placed")]
)
def test_an_address_may_be_in_any_attribute(configured, attribute, reason):
    path = configured(CONFIGURATION.replace("  staff:\n", "  staff:\n" + BY_ATTRIBUTE), alice=entry(US))
    (_, decided), _ = explained(path, "alice", "--attribute", attribute)
    assert reason == decided


def test_an_attribute_that_is_not_known_or_not_valid_is_reported(configured):
    path = configured(alice=entry(US))
    for attribute, error in (
        ("Framed-Address=10.1.2.3", "Framed-Address: "),
        ("Framed-IP-Address=x", "an IPv4 address"),
    ):
        ended = run("--config", path, "--client", "gateway", "--attribute", attribute, "alice")
        assert (1, True) == (ended.exit_code, error in ended.stderr), ended.output
        assert ended.stderr.startswith("Error: --attribute: ")


def test_a_gateway_that_has_verified_the_password_is_named(configured):
    configuration = CONFIGURATION.replace("  staff:\n", "  staff:\n    first_factor: none\n    directory: people\n")
    path = configured(configuration, alice={"phones": [US]})

    result, steps = explained(path)

    assert ("challenge", "call_placed") == result
    assert "none: the gateway has verified the password" == steps["first factor"][0][0]


@pytest.mark.parametrize(
    ("user", "outcome", "reason"),
    [("alice", "challenge", "call_placed"), ("bob", "challenge", "decoy"), ("unknown", "challenge", "decoy")],
)
def test_a_decoy_is_explained(configured, user, outcome, reason):
    configuration = CONFIGURATION.replace("  staff:\n", "  staff:\n    first_factor: none\n    decoys: true\n")
    path = configured(configuration, alice={"phones": [US]}, bob={"phones": [PREMIUM]})
    result, steps = explained(path, user)
    assert (outcome, reason) == result
    assert (reason == "decoy") == ("decoy" in steps)
    shown = run("--config", path, "--client", "gateway", user).stdout
    assert (reason == "decoy") == ("Access-Challenge: decoy (no call is placed" in shown)


def test_an_unknown_client_or_a_broken_users_file_ends_with_the_reason(configured, tmp_path):
    path = configured(alice=entry(US))
    unknown = run("--config", path, "--client", "other", "alice")
    (tmp_path / "users.yaml").write_text("alice: [")
    broken = run("--config", path, "--client", "gateway", "alice")

    assert (1, "Error: the configuration has no client 'other'; it has gateway\n") == (
        unknown.exit_code,
        unknown.stderr,
    )
    assert (1, True) == (broken.exit_code, "users.yaml" in broken.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--config", "x", "--client", "gateway"],
        ["--config", "x", "--client", "gateway", "--audit", "x", "alice"],
        ["--login", "a1"],
        ["--login", "a1", "--config", "x", "--attribute", "Class=a"],
        ["--config", "x", "--client", "gateway", "--attribute", "Class", "alice"],
        ["--login", "a1", "--config", "x", "--client", "gateway"],
        ["--login", "a1", "--config", "x", "alice"],
        ["--login", "a1", "--config", "x", "--calling-station-id", "192.0.2.1"],
    ],
)
def test_other_combinations_of_options_are_wrong_usage(arguments):
    assert 2 == run(*arguments).exit_code


def test_a_login_that_is_not_found_names_the_searched_files(configured, tmp_path):
    path = configured(alice=entry(US))
    log = tmp_path / "audit.jsonl"
    none = run("--config", path, "--login", "a1")
    log.write_text("")
    log.with_name("audit.jsonl.1.zst").write_text("")
    empty = run("--config", path, "--login", "a1")
    missing = run("--audit", tmp_path / "nothing" / "audit.jsonl", "--login", "a1")

    assert (1, f"Error: {log}: there is no audit log that can be read\n") == (none.exit_code, none.stderr)
    assert 1 == empty.exit_code
    assert (
        "no record has the id a1, and a health check, a retransmission and a discarded datagram have none"
        in empty.stderr
    )
    assert f"; searched: {log}\n" in empty.stderr
    assert "audit.jsonl.1.zst: is not searched" in empty.stderr
    assert (1, True) == (missing.exit_code, "No such file or directory" in missing.stderr)


def test_an_audit_log_on_standard_output_has_another_place(configured):
    path = configured(CONFIGURATION + 'audit: {path: "-"}\n', alice=entry(US))
    result = run("--config", path, "--login", "a1")

    assert (1, True) == (result.exit_code, "name it: --audit FILE" in result.stderr)


def test_a_name_with_control_characters_cannot_control_the_terminal(configured, tmp_path):
    log = tmp_path / "audit.jsonl"
    record = {"kind": "request", "at": "1", "session": "a1", "client": "gateway", "user": "\x07\x9b2J"}
    log.write_text(json.dumps(record))
    result = run("--audit", log, "--login", "a1")

    assert (0, False) == (result.exit_code, bool({"\x07", "\x9b"} & set(result.stdout)))


@pytest.fixture
def user(make_user):
    return make_user()


def test_a_login_at_a_running_server_is_explained_before_and_after(start_server, user, tmp_path):
    with start_server(CONFIGURATION, [user]) as server:
        result, steps = explained(server.path, user.name)
        assert ("challenge", "call_placed") == result
        assert ["wrong passwords: none is used up", "codes and calls: none is used up"] == [
            text for text, _, _ in steps["limits"]
        ]
        assert ["no phone is pinned yet; a correct code pins the phones"] == [text for text, _, _ in steps["pins"]]
        gateway = server.client()
        challenge = gateway.respond(user, gateway.start_login(user), "wrong")
        assert radius.ACCESS_REJECT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
        session = server.audit(kind="request", user=user.name)[0]["session"]

        shown = run("--config", server.path, "--login", session)
        assert 0 == shown.exit_code, shown.output
        assert shown.stdout.startswith(f"login {session} of {user.name} through client gateway\n")
        assert "-> Access-Challenge: call_placed (the provider accepted the call)" in shown.stdout
        assert "twilio was asked to call" in shown.stdout
        assert user.phone not in shown.stdout

        result, steps = explained(server.path, user.name)
        assert ("reject", "locked") == result
        assert any(text.startswith("wrong_codes.user of people:") for text, _, reason in steps["limits"] if reason)
        audit = tmp_path / "audit.jsonl.1.gz"
        audit.write_bytes(gzip.compress((server.directory / "audit.jsonl").read_bytes()))
        copy = run("--audit", tmp_path / "audit.jsonl", "--login", session, "--json")
        found = json.loads(copy.stdout)
        assert [str(audit)] == found["searched"]
        assert {session} == {record["session"] for record in found["records"]}
        assert "the provider accepted the call" in [record.get("meaning") for record in found["records"]]


def test_two_passes_are_explained(configured):
    two_pass = CONFIGURATION.replace("policy: staff}", 'policy: staff, second_factor: two_pass, delimiter: "+"}')
    path = configured(two_pass, alice=entry(US))

    _, steps = explained(path)

    place = f"{path}:{line_of('gateway:')}: clients.gateway.second_factor"
    assert [("no challenge is sent; users log in again with password+code", [place], None)] == steps["two passes"]
    shown = run("--config", path, "--client", "gateway", "alice").stdout
    assert "Access-Reject that asks for password and code, if the password is right" in shown


def test_a_profile_and_what_a_client_has_from_it_are_explained(configured):
    profile = "policy: staff, profile: strongswan, gateway_timeout: 5s}"
    path = configured(CONFIGURATION.replace("policy: staff}", profile), alice=entry(US))

    _, steps = explained(path)

    place = f"{path}:{line_of('gateway:')}: clients.gateway.profile"
    given = "strongswan: second_factor: two_pass, gateway_requests: 1, calling_station_attribute: Calling-Station-Id"
    assert [(given, [place], None)] == steps["profile"]
    assert [place] == steps["two passes"][0][1]


def test_the_only_client_need_not_be_named(configured):
    path = configured(alice=entry(US))
    shown = run("--config", path, "--json", "alice")

    assert (0, "gateway") == (shown.exit_code, json.loads(shown.stdout)["client"])


def test_one_of_several_clients_must_be_named(configured):
    second = "  second: {address: 192.0.2.1, secret: a shared secret of the tests}\npolicies:\n"
    path = configured(CONFIGURATION.replace("policies:\n", second, 1), alice=entry(US))
    ended = run("--config", path, "alice")

    assert (2, True) == (ended.exit_code, "several clients; add --client: gateway, second\n" in ended.stderr)


def test_a_text_message_is_no_call(configured):
    path = configured(CONFIGURATION.replace("  staff:\n", TEXTS), alice=entry(US))
    path.write_text(
        path.read_text().replace("type: twilio-voice", "type: twilio-sms").replace("calls_per_second: off", "")
    )
    result, steps = explained(path)

    assert ("challenge", "text_sent") == result
    assert "the user gets a text message" == steps["rules"][0][0]


@pytest.mark.parametrize("second_factor", ["challenge", "approve"])
def test_a_password_that_the_server_does_not_verify_is_no_condition(configured, second_factor):
    without = CONFIGURATION.replace("  staff:\n", "  staff:\n    first_factor: none\n    directory: people\n")
    client = f"policy: staff, second_factor: {second_factor}}}"
    without = without.replace("policy: staff}", client) + (callbacks_section() if second_factor == "approve" else "")
    path = configured(without, alice={"phones": [US]})
    shown = json.loads(run("--config", path, "--json", "alice").stdout)

    assert shown["password_verified"] is False
    assert ", if no other call to the user is live" in shown["result"]
    assert "password" not in shown["result"]


def test_an_unknown_store_is_explained_once(configured):
    path = configured(alice=entry(US))
    shown = run("--config", path, "alice").stdout

    assert 1 == shown.count("no radius-voice service listens at")
    assert "pins          not known, like the limits\n" in shown


def test_an_approval_by_key_press_is_explained(configured):
    approve = CONFIGURATION.replace("policy: staff}", "policy: staff, second_factor: approve}")
    path = configured(approve + callbacks_section(), alice=entry(US))
    result, steps = explained(path)
    assert ("accept", "approved") == result
    place = f"{path}:{line_of('gateway:')}: clients.gateway.second_factor"
    assert [("no challenge is sent; the request waits 2.5 s for a key", [place], None)] == steps["approval"]
    assert [("twilio calls +14*******23", ["delivery.voice: not written"], None)] == steps["delivery"]
    shown = run("--config", path, "--client", "gateway", "alice").stdout
    assert "Access-Accept after the user has pressed # in a call, if the password is right" in shown


REMEMBERING = CONFIGURATION.replace("  staff:\n", "  staff:\n    remember: 12h\n")
STATION = "192.0.2.9"


def log_in(server, user):
    gateway, station = server.client(), (radius.CALLING_STATION_ID, STATION.encode())
    challenge = gateway.start_login(user, station)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone), station).code


def test_a_remembered_login_is_known(start_server, user):
    with start_server(REMEMBERING, [user]) as server:

        def remembered(station=STATION):
            (_, reason), steps = explained(server.path, user.name, "--calling-station-id", station)
            ((text, _, _),) = steps["remembered"]
            return reason, text.partition(" until ")[0]

        none = "no login of the user from this Calling-Station-Id is remembered"
        assert ("call_placed", none) == remembered()
        log_in(server, user)
        assert ("remembered", "a login from this Calling-Station-Id is remembered") == remembered()
        assert ("call_placed", none) == remembered("192.0.2.10")
        (record,) = [CliRunner().invoke(main, ["users", "forget", "--config", str(server.path), user.name])]
        assert 0 == record.exit_code
        assert ("call_placed", none) == remembered()
        log_in(server, user)
        changed = ["users", "set-password", "--config", str(server.path), "--yes", user.name]
        assert 0 == CliRunner().invoke(main, changed, input="another password\n").exit_code
        server.wait_for_line("users_file_read", server.stderr)
        assert ("call_placed", none) == remembered()


NO_FIRST_FACTOR = """    first_factor: none
    gateway_checks_password: true
    remember: 12h
"""


def test_a_remembered_login_may_depend_on_the_password(start_server, user):
    with start_server(CONFIGURATION.replace("  staff:\n", "  staff:\n" + NO_FIRST_FACTOR), [user]) as server:
        log_in(server, user)
        (_, reason), steps = explained(server.path, user.name, "--calling-station-id", STATION)
        assert "remembered" == reason
        assert steps["remembered"][0][0].endswith(", if the password is the same as then")


def test_an_issued_code_is_known(start_server, user):
    with start_server(CONFIGURATION, [user]) as server:
        assert "issued code" not in explained(server.path, user.name)[1]
        issued = CliRunner().invoke(main, ["users", "issue-code", "--config", str(server.path), "--json", user.name])
        expires_at = json.loads(issued.stdout)["expires_at"]
        result, steps = explained(server.path, user.name)
        assert ("challenge", "issued_code") == result
        assert f"the help desk has issued a code, valid until {expires_at}" == steps["issued code"][0][0]
        assert "the user is asked for the issued code, without a call" == steps["rules"][0][0]
        assert "call" not in steps
        assert "pins" not in steps


def test_without_a_service_the_store_tells(start_server, user):
    configuration = REMEMBERING.replace("store: {type: memory}\n", "")
    with start_server(configuration, [user]) as server:
        log_in(server, user)
        assert 0 == server.stop()
        result, steps = explained(server.path, user.name, "--calling-station-id", STATION)
        assert ("accept", "remembered") == result
        assert "issued code" not in steps


def past(server, record):
    """What `explain --login` shows of a record without a session."""
    shown = run("--config", server.path, "--login", record["request_id"])
    assert 0 == shown.exit_code, shown.output
    return shown.stdout


EARLY = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
policies:
  default:
    exemptions:
      - {groups: [exempt], reason: no phone line}
    remember: 12h
    group_rules:
      - when: {group: abroad}
        countries: [FR]
limits: {wrong_passwords: {user: 1 per 10m}}
"""
LINES = {
    key: START + EARLY[: EARLY.index(key)].count("\n") + 1 for key in ("- {groups", "remember", "countries", "limits")
}


def test_a_login_without_a_session_has_an_id_and_the_line_of_its_rule(start_server, make_user):
    exempt, abroad, plain = make_user(groups=("exempt",)), make_user(groups=("abroad",)), make_user()
    with start_server(EARLY, [exempt, abroad, plain]) as server:
        gateway, station = server.client(), (radius.CALLING_STATION_ID, STATION.encode())
        log_in(server, plain)
        for user in (exempt, abroad, plain):
            gateway.start_login(user, station)
        for _ in range(2):
            gateway.exchange([(radius.USER_NAME, abroad.name.encode())], "wrong")
        expected = {
            "exempt": ("Access-Accept", "policies.default.exemptions[0]", "- {groups"),
            "number_not_allowed": ("Access-Reject", "policies.default.group_rules[0].countries", "countries"),
            "remembered": ("Access-Accept", "policies.default.remember", "remember"),
            "wrong_password": ("Access-Reject", "", ""),
            "wrong_password_limit": ("Access-Reject", "limits.wrong_passwords.user", "limits"),
        }
        records = {each["reason"]: each for each in server.audit(kind="request") if "session" not in each}
        assert expected.keys() == records.keys()
        assert len(expected) == len({record["request_id"] for record in records.values()})
        for reason, (response, rule, key) in expected.items():
            shown = past(server, records[reason])
            assert f"-> {response}: {reason} (" in shown
            assert shown.startswith(f"login {records[reason]['request_id']} of ")
            assert "no final result" not in shown
            assert (f"  place: {server.path}:{LINES[key]}: {rule}\n" if rule else "") in shown
            assert bool(rule) == ("  place: " in shown)
        only_log = run("--audit", server.directory / "audit.jsonl", "--login", records["exempt"]["request_id"])
        assert "place" not in only_log.stdout
        both = run(
            "--config",
            server.path,
            "--audit",
            server.directory / "audit.jsonl",
            "--login",
            records["exempt"]["request_id"],
            "--json",
        )
        assert json.loads(both.stdout)["records"][0]["place"].endswith("exemptions[0]")


ROLL_OUT = """\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0s}}
clients:
  gateway:
    address: 127.0.0.1
    secret: a shared secret of the tests
    policy: reporting
    probe: {{user: health-check, response: reject}}
  second: {{address: 127.0.0.2, secret: a shared secret of the tests, policy: grace}}
policies:
  reporting: {{countries: [FR], mode: {{report_until: "{until}"}}}}
  grace: {{grace_until: "{until}"}}
"""


class UserWithoutPhone(ConfiguredUser):
    @property
    def entry(self):
        return {**super().entry, "phones": []}


def test_logins_of_a_roll_out_are_shown_and_health_checks_have_no_id(start_server, make_user):
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    reported, grace = make_user(), UserWithoutPhone("grace", "+14155550199")
    probe = ConfiguredUser("health-check", "+14155550198")
    with start_server(ROLL_OUT.format(until=until), [reported, grace]) as server:
        first, second = server.client(), server.client("127.0.0.2")
        assert radius.ACCESS_ACCEPT == first.start_login(reported).code
        assert radius.ACCESS_ACCEPT == second.start_login(grace).code
        assert radius.ACCESS_REJECT == first.start_login(probe).code
        report, accepted = server.audit(kind="request")
        shown = past(server, report)
        assert "  -> Access-Accept: report_mode (accepted without a call" in shown
        assert "  without report mode: Access-Reject: number_not_allowed (the policy allows none" in shown
        assert f"  place: {server.path}:" in shown
        assert "  -> Access-Accept: grace_period (accepted without a call" in past(server, accepted)
        would = CliRunner().invoke(main, ["audit", "search", "-c", str(server.path), "--would", "reject"])
        assert [report["request_id"]] == [text.rpartition(" ")[2] for text in would.stdout.splitlines()]
        missing = run("--config", server.path, "--login", "0123456789abcdef")
        assert "a health check, a retransmission and a discarded datagram have none" in missing.stderr
