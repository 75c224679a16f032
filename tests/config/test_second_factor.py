"""How users of a client are asked for the code."""

import pytest

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
    assert f"{CLIENT}.delimiter: is not written as it must be; write it like +" in error


def test_a_delimiter_without_two_passes_is_an_error(file):
    (error,) = file.errors(with_client(second_factor="challenge", delimiter="+"))
    assert error.endswith(f"{CLIENT}.delimiter: has an effect only with second_factor: two_pass; remove it")


def test_two_passes_need_a_first_factor(file):
    tree = with_client(policy="open")
    tree["policies"] = {"open": {"first_factor": "none", "directory": "people"}}
    (error,) = file.errors(tree)
    assert f"{CLIENT}.second_factor: two_pass needs a first_factor, and policy open has none; use challenge" in error


def test_the_policy_of_a_realm_needs_a_first_factor_too(file):
    tree = with_client(realms={"corp": {"policy": "open"}})
    tree["policies"] = {
        "default": {"first_factor": "people", "directory": "people"},
        "open": {"first_factor": "none", "directory": "people", "decoys": True},
    }
    (error,) = file.errors(tree)
    assert "policy open has none" in error
