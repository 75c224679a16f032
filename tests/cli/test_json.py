"""JSON of commands: its keys are the documented ones, and it has what the text has."""

import json
import re

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from tests.docs.test_docs import section
from tests.support.matching import search
from tests.support.server_process import write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"]}
clients:
  host: {address: 127.0.0.1, secret: a shared secret of the tests, realms: {CORP: {}, guests: {policy: guests, strip: false}}}
  pair: {address: [192.0.2.1, "2001:db8::/64"], secret: a shared secret of the tests, second_factor: two_pass}
policies:
  default:
    group_rules: [{when: {group: partners}, friendly_name: Partners, countries: [US]}]
  guests: {friendly_name: Guests, countries: [US, DE], directory: people, first_factor: people}
"""
VALUES = {"null", "false", "true", "--file", "two_pass"}
"""Words in code marks in the documentation of JSON that are no keys."""
EDITS = [
    (["add", "bob", "--phone", "+14155550124"], "correct horse\n"),
    (["set-phone", "bob", "--phone", "+14155550125", "--yes"], None),
    (["set-password", "bob", "--yes"], "correct horse 2\n"),
    (["set-language", "bob", "de"], None),
    (["disable", "bob"], None),
    (["enable", "bob"], None),
    (["remove", "bob", "--yes"], None),
]


def run(*arguments, typed=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=typed)


def documented(command):
    """The keys that docs/commands.md names in the row of --json."""
    row = search(r"^\| `--json` \| (.*) \|$", section(command), re.MULTILINE)[1]
    return set(re.findall(r"`([^`]+)`", row)) - VALUES


def facts_documented(fact):
    row = search(rf"^\| `{fact}` \| (.*) \|$", section("check"), re.MULTILINE)[1]
    return set(re.findall(r"`([^`]+)`", row)) - VALUES


@pytest.fixture(scope="module")
def user(make_user):
    return make_user()


@pytest.fixture
def write(tmp_path, simulator, user):
    def write(configuration=CONFIGURATION):
        return write_configuration(tmp_path, simulator, configuration, [user])

    return write


def test_check_has_the_documented_keys_and_facts(write):
    path = write()
    ended = run("check", "-c", path, "--json")
    shown = json.loads(ended.stdout)
    assert (0, "") == (ended.exit_code, ended.stderr)
    assert documented("check") == set(shown)
    assert (str(path), True, [], None) == (shown["config"], shown["good"], shown["errors"], shown["connections"])
    facts = shown["facts"]
    assert ["identity", "clients", "policies", "providers", "callbacks", "cost", "timers"] == list(facts)
    for name in ("identity", "policies", "timers"):
        assert facts_documented(name) == set(facts[name][0])
    client = facts["clients"][0]
    assert facts_documented("clients") == {*client, *client["realms"][0], *client["friendly_names"][0]}
    assert facts_documented("providers") == set(facts["providers"])


def test_check_has_the_facts_of_the_configuration(write, user):
    facts = json.loads(run("check", "-c", write(), "--json").stdout)["facts"]
    assert [{"name": "people", "type": "users_file", "users": 1}] == facts["identity"]
    host, pair = facts["clients"]
    assert (["127.0.0.1/32"], "yes", 2.5, None) == tuple(
        host[key] for key in ("address", "require_message_authenticator", "response_timeout", "delimiter")
    )
    assert [("CORP", "default", True), ("guests", "guests", False)] == [tuple(each.values()) for each in host["realms"]]
    assert [("ACME VPN", "default", None), ("Partners", "default", "partners"), ("Guests", "guests", None)] == [
        tuple(each.values()) for each in host["friendly_names"]
    ]
    assert ("two_pass", ",", ["192.0.2.1/32", "2001:db8::/64"]) == (
        pair["second_factor"],
        pair["delimiter"],
        pair["address"],
    )
    assert [None, ["DE", "US"]] == [policy["countries"] for policy in facts["policies"]]
    assert {"voice": ["twilio"], "sms": []} == facts["providers"]


def test_the_text_of_check_says_which_client_has_which_friendly_name(write):
    shown = run("check", "-c", write()).stdout
    host, pair = (line for line in shown.splitlines() if line.startswith("client "))
    assert host.endswith(
        "friendly name 'ACME VPN', 'Partners' for group partners of policy default, 'Guests' for policy guests"
    )
    assert pair.endswith(
        "two passes: password,code; friendly name 'ACME VPN', 'Partners' for group partners of policy default"
    )


def test_the_errors_of_a_configuration_are_data(write):
    path = write(CONFIGURATION.replace("secret:", "secrets:"))
    ended = run("check", "-c", path, "--json")
    shown = json.loads(ended.stdout)
    assert (1, "", False, None) == (ended.exit_code, ended.stderr, shown["good"], shown["facts"])
    assert documented("check") == set(shown)
    texts = run("check", "-c", path).stderr.splitlines()[1:]
    assert texts == shown["errors"]
    assert any("clients.host.secret" in error for error in shown["errors"])


def test_the_errors_of_files_and_warnings_are_data(write):
    path = write()
    (path.parent / "users.yaml").chmod(0o644)
    ended = run("check", "-c", path, "--json", "--connect")
    shown = json.loads(ended.stdout)
    assert (1, "", False, None) == (ended.exit_code, ended.stderr, shown["good"], shown["connections"])
    assert any("chmod o-rwx" in error for error in shown["errors"])
    assert "host" == shown["facts"]["clients"][0]["name"]

    path.write_text(
        path.read_text().replace("policies:", "policies:\n  unused: {directory: people, first_factor: none}", 1)
    )
    (path.parent / "users.yaml").chmod(0o600)
    printed, shown = run("check", "-c", path), json.loads(run("check", "-c", path, "--json").stdout)
    expected = [line.removeprefix("warning: ") for line in printed.stderr.splitlines() if "warning: " in line]
    assert expected
    assert expected == shown["warnings"]


def test_connections_are_data(write):
    path = write()
    ended = run("check", "-c", path, "--json", "--connect")
    shown = json.loads(ended.stdout)
    assert (0, True) == (ended.exit_code, shown["good"])
    texts = [f"{each['part']} {each['name']} {each['result']}" for each in shown["connections"]]
    assert ["store sqlite good", "provider twilio good"] == list(dict.fromkeys(texts))[:2]
    path.write_text(path.read_text().replace("simulated-token", "another token"))
    ended = run("check", "-c", path, "--json", "--connect")
    shown = json.loads(ended.stdout)
    assert (1, "", False) == (ended.exit_code, ended.stderr, shown["good"])
    assert ["bad"] == [each["result"] for each in shown["connections"] if each["part"] == "provider"]


def test_test_credentials_are_data(write):
    path = write()
    ended = run("test-credentials", "-c", path, "--json")
    shown = json.loads(ended.stdout)
    assert (0, documented("test-credentials") - {"provider", "good", "bad", "not_checked"}) == (
        ended.exit_code,
        set(shown[0]),
    )
    assert {"provider"} == {each["part"] for each in shown}
    assert {"part": "provider", "name": "twilio", "result": "good", "text": "account is active"} == shown[0]


def test_what_a_provider_does_not_tell_is_not_checked(write):
    path = write(CONFIGURATION.replace("countries: [US, DE]", "countries: any"))
    printed = run("test-credentials", "-c", path)
    assert (0, True) == (printed.exit_code, "twilio: not checked: countries: policies allow any" in printed.stdout)
    assert "good: countries" not in printed.stdout


def test_a_failed_check_does_not_say_to_run_this_command(write):
    path = write()
    lines = [line for line in path.read_text().splitlines() if not line.strip().startswith(("from:", "calls_per"))]
    verify = f"type: twilio-verify\n      service_sid: VA{'0' * 32}"
    path.write_text("\n".join(lines).replace("type: twilio-voice", verify))
    for command in (["test-credentials"], ["check", "--connect"]):
        printed = run(*command, "-c", path)
        assert (1, True, False) == (
            printed.exit_code,
            "BAD: 20404: no such account or service; compare" in printed.stdout,
            "test-credentials" in printed.output,
        ), printed.output


def test_limits_have_the_documented_keys(start_server, user):
    with start_server(CONFIGURATION + "limits: {cost_per_day: {total: 20.00}}\n", [user]) as server:
        shown = json.loads(run("limits", "-c", server.path, "--json").stdout)
    assert documented("limits") == {key for limit in shown for key in limit}
    assert {"limit", "of", "left", "burst", "period"} == set(shown[0])


def test_users_have_the_documented_keys_and_the_values_of_the_text(write, user):
    path = write()
    (shown,) = json.loads(run("users", "list", "-c", path, "--json").stdout)
    assert shown == json.loads(run("users", "show", "-c", path, "--json", user.name).stdout)
    assert documented("users list") - {"users show"} <= set(shown)
    words = search(r"one key a line: (.*?)\. As in", section("users show"))[1]
    assert [] == [key for key in shown if key not in words]
    assert (user.name, False, [], "en") == tuple(shown[key] for key in ("name", "disabled", "groups", "language"))


def test_confirm_and_unlock_have_the_documented_keys(start_server, user):
    with start_server(CONFIGURATION, [user]) as server:
        for command, *options in (["users confirm", "--yes"], ["users unlock"]):
            ended = run(*command.split(), "-c", server.path, "--json", *options, user.name)
            assert 0 == ended.exit_code, ended.output
            assert documented(command) == set(json.loads(ended.stdout)), command


def test_each_change_of_users_has_the_documented_keys(write, tmp_path):
    path, table = write(), tmp_path / "table.csv"
    (path.parent / "users.yaml").write_text("alice: {}\n")
    table.write_text("name\ncarol\n")
    for (command, *arguments), typed in [*EDITS, (["import", table], None)]:
        ended = run("users", command, "-c", path, "--json", *arguments, typed=typed)
        assert 0 == ended.exit_code, ended.output
        assert documented(f"users {command}") == set(json.loads(ended.stdout)), command
