"""The realms of clients in the configuration."""

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from tests.config.conftest import changed

REALMS = "clients.office-vpn.realms"


def with_policies(realms):
    """The sample with those realms and the policies `default` and `partners`, of two users files."""
    tree = changed(REALMS, realms)
    tree["identity"]["partners"] = {"type": "users_file", "path": "users.yaml"}
    tree["policies"] = {
        "default": {"first_factor": "people", "directory": "people"},
        "partners": {"first_factor": "partners", "directory": "partners"},
    }
    return tree


def test_a_realm_has_the_policy_of_its_client_and_is_stripped_by_default(file):
    loaded = file.load(with_policies({"CORP": {}, "corp.example": {"policy": "partners", "strip": False}}))
    assert () == loaded.warnings, "the policy of a realm is used"
    client = loaded.settings.clients["office-vpn"]
    assert {"default", "partners"} == client.policies
    corp, address = client.realms.values()
    assert ("", True, "partners", False) == (corp.policy, corp.strip, address.policy, address.strip)


@pytest.mark.parametrize(
    ("realms", "expected"),
    [
        ({}, "realms: must not be empty"),
        ({"": {}}, "is empty; write the text before the backslash or after the @"),
        ({"  ": {}}, "is empty; write the text before the backslash or after the @"),
        ({"@corp.example": {}}, "holds a backslash or an @; write only the text"),
        ({"CORP\\": {}}, "holds a backslash or an @; write only the text"),
        ({"corp\uff20example": {}}, "holds a backslash or an @; write only the text"),
        ({"CORP": {}, "corp": {}}, "realms.corp: is another spelling of CORP; remove one of the two"),
        ({"CORP": {"policy": "partner"}}, "realms.CORP.policy: there is no such policy; did you mean partners?"),
        ({"CORP": {"policy": 5}}, "realms.CORP.policy: YAML reads this as a number"),
        ({"CORP": {"stripped": True}}, "realms.CORP.stripped: unknown key; did you mean strip?"),
        ({"CORP": "partners"}, "realms.CORP: must be a mapping"),
        ({"CORP": None}, "realms.CORP: has no value"),
        (["CORP"], "realms: must be a mapping"),
    ],
)
def test_a_wrong_realm_is_an_error(file, realms, expected):
    (error,) = file.errors(with_policies(realms))
    assert expected in error


def test_the_policy_of_a_realm_without_first_factor_needs_message_authenticator(file):
    tree = with_policies({"CORP": {"policy": "partners"}})
    tree["policies"]["partners"]["first_factor"] = "none"
    assert () == file.load(tree).warnings
    tree["clients"]["office-vpn"]["require_message_authenticator"] = "auto"
    assert any("must be yes where first_factor is none" in error for error in file.errors(tree))


def test_the_policy_of_a_realm_with_exempt_networks_needs_message_authenticator(file):
    tree = with_policies({"CORP": {"policy": "partners"}})
    tree["policies"]["partners"]["exemptions"] = [{"networks": ["10.0.0.0/8"], "reason": "the office"}]
    assert () == file.load(tree).warnings
    tree["clients"]["office-vpn"]["require_message_authenticator"] = "auto"
    (error,) = file.errors(tree)
    assert "must be yes where policy partners has exemptions by network" in error


def test_users_of_the_policy_of_a_realm_are_checked_and_check_shows_the_realms(file):
    tree = with_policies({"CORP": {}, "corp.example": {"policy": "partners", "strip": False}})
    tree["identity"]["partners"]["path"] = "partners.yaml"
    tree["server"] = {"state": "state"}
    partners = file.users.with_name("partners.yaml")
    partners.touch(0o600)
    file.users.write_text('bob: {phones: ["+14155550101"]}\n')
    partners.write_text('ann: {phones: ["+14155550100"]}\n')
    file.load(tree)
    result = CliRunner().invoke(main, ["check", "--config", str(file.path)])
    assert "realms CORP (policy default), corp.example (policy partners, not stripped)" in result.stdout, result.output
    assert "users without a password cannot log in: ann" in result.stderr, result.output
