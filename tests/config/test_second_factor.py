"""How users of a client are asked for the code."""

import pytest

from radius_voice.wiring.generation import server_rules
from tests.config.conftest import changed

CLIENT = "clients.office-vpn"


def with_client(**keys):
    tree = changed(f"{CLIENT}.second_factor", "two_pass")
    tree["clients"]["office-vpn"] |= keys
    return tree


def test_users_are_asked_by_a_challenge_unless_the_client_says_two_pass(file):
    assert (
        "challenge"
        == file.load(changed(f"{CLIENT}.second_factor", "challenge")).settings.clients["office-vpn"].second_factor
    )
    client = file.load(with_client()).settings.clients["office-vpn"]
    assert ("two_pass", ",") == (client.second_factor, client.delimiter)
    assert ":" == file.load(with_client(delimiter=":")).settings.clients["office-vpn"].delimiter


@pytest.mark.parametrize("delimiter", ["", ",,", "a", "7", " ", "-", ".", "\t", "\u3001"])
def test_a_delimiter_that_codes_may_hold_or_that_users_cannot_type_is_an_error(file, delimiter):
    (error,) = file.errors(with_client(delimiter=delimiter))
    assert f"{CLIENT}.delimiter: does not have the required form; write it like +" in error


def test_a_delimiter_without_two_passes_is_an_error(file):
    (error,) = file.errors(with_client(second_factor="challenge", delimiter="+"))
    assert error.endswith(f"{CLIENT}.delimiter: has an effect only with second_factor: two_pass; remove it")


def test_two_passes_need_a_first_factor(file):
    tree = with_client(policy="open")
    tree["policies"] = {"open": {"first_factor": "none", "directory": "people"}}
    (error,) = file.errors(tree)
    assert f"{CLIENT}.second_factor: two_pass needs a first_factor, and policy open has none; use challenge" in error


def test_a_gateway_without_challenges_and_passwords_to_verify_needs_an_approval(file):
    tree = with_client(policy="open", profile="windows-rras")
    tree["policies"] = {"open": {"first_factor": "none", "directory": "people"}}
    (error,) = file.errors(tree)
    assert "two_pass needs a first_factor, and policy open has none; use approve" in error


def test_the_policy_of_a_realm_needs_a_first_factor_too(file):
    tree = with_client(realms={"corp": {"policy": "open"}})
    tree["policies"] = {
        "default": {"first_factor": "people", "directory": "people"},
        "open": {"first_factor": "none", "directory": "people", "decoys": True},
    }
    (error,) = file.errors(tree)
    assert "policy open has none" in error


CALLBACKS = {"public_url": "https://voice.example.org"}
GATEWAY = {"first_factor": "none", "directory": "people", "gateway_checks_password": True}


def with_approve(**keys):
    tree = with_client(**{"second_factor": "approve", "response_timeout": "45s", **keys})
    return {**tree, "callbacks": CALLBACKS}


def test_an_approval_by_key_has_its_settings(file):
    tree = with_approve(friendly_name="the gateway", password_required=False, policy="gateway")
    tree["policies"] = {"gateway": GATEWAY}
    settings = file.load(tree).settings
    client = settings.clients["office-vpn"]
    assert ("approve", "the gateway", False) == (client.second_factor, client.friendly_name, client.password_required)
    assert 55.0 <= server_rules(settings).duplicate_window  # a response after 45 s is kept for 10 s


def test_an_approval_by_key_needs_callbacks(file):
    tree = with_approve()
    del tree["callbacks"]
    (error,) = file.errors(tree)
    assert f"{CLIENT}.second_factor: approve needs callbacks.public_url, because a key reaches the server only" in error


def test_an_approval_by_key_needs_a_provider_that_reports_keys(file):
    tree = with_approve()
    tree["delivery"]["voice"] = []
    assert any("approve needs a provider of calls that reports keys" in error for error in file.errors(tree))


def test_a_short_response_timeout_is_an_error_except_in_development(file):
    (error,) = file.errors(with_approve(response_timeout="19s"))
    assert f"{CLIENT}.response_timeout: is too short for a call with second_factor: approve; write 45s" in error
    assert file.load({**with_approve(response_timeout="19s"), "development": True}).settings


def test_an_approval_by_key_and_decoys_are_an_error(file):
    tree = with_approve(policy="open")
    tree["policies"] = {"open": {"first_factor": "none", "directory": "people", "decoys": True}}
    (error,) = file.errors(tree)
    assert f"{CLIENT}.second_factor: approve sends no challenges, so policy open can have no decoys" in error


@pytest.mark.parametrize(
    "policy", [{"directory": "people"}, {"first_factor": "none", "directory": "people"}], ids=["verified", "unchecked"]
)
def test_requests_without_a_password_need_a_gateway_that_verifies_users(file, policy):
    tree = with_approve(password_required=False, policy="gateway")
    tree["policies"] = {"gateway": policy}
    (error,) = file.errors(tree)
    assert f"{CLIENT}.password_required: without a password nothing would be verified here; policy gateway" in error


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("password_required", False, "can be false only with second_factor: approve; remove it"),
        ("friendly_name", "the gateway", "has an effect only with second_factor: approve; remove it"),
    ],
)
def test_keys_of_approve_are_errors_without_it(file, key, value, message):
    (error,) = file.errors(changed(f"{CLIENT}.{key}", value))
    assert error.endswith(f"{CLIENT}.{key}: {message}")


def test_a_missing_policy_is_reported_once(file):
    (error,) = file.errors(with_approve(policy="missing"))
    assert "no such policy" in error
