"""Profiles of gateways: defaults for the keys of a client."""

from typing import get_args

import pytest

from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.profiles import PROFILES, ProfileName
from tests.config.conftest import changed

CLIENT = "clients.office-vpn"
APPROVE = {
    "policies": {"default": {"first_factor": "none", "directory": "people", "gateway_checks_password": True}},
    "callbacks": {"public_url": "https://voice.example.org"},
}


def with_profile(profile, **keys):
    tree = changed(f"{CLIENT}.profile", profile)
    tree["clients"]["office-vpn"] |= keys
    return {**tree, **(APPROVE if profile == "rd-gateway" else {})}


def client_of(file, profile, **keys):
    return file.load(with_profile(profile, **keys)).settings.clients["office-vpn"]


def texts(warnings):
    return [warning.split(": ", 1)[1] for warning in warnings]


def test_every_name_has_a_profile_with_keys_of_a_client():
    assert get_args(ProfileName) == tuple(sorted(PROFILES))
    for profile in PROFILES.values():
        assert profile.keys.keys() <= ClientSettings.model_fields.keys() - {"address", "secret", "policy"}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_gives_defaults_and_its_timers_fit(file, name):
    keys = {"gateway_timeout": "5s", "require_message_authenticator": "no"} if name == "openvpn" else {}
    loaded = file.load(with_profile(name, **keys))
    client = loaded.settings.clients["office-vpn"]
    assert [] == [text for text in texts(loaded.warnings) if "an attacker can forge responses" not in text]
    assert PROFILES[name].keys.get("second_factor", "challenge") == client.second_factor
    assert client.gateway_timeout is None or client.response_timeout < client.gateway_timeout


def test_a_key_of_the_client_itself_wins(file):
    client = client_of(file, "fortigate", gateway_timeout="20s", calling_station_attribute="Tunnel-Client-Endpoint")
    assert (20.0, 80.0) == (client.gateway_timeout, client.gateway_input_timeout)
    assert "Tunnel-Client-Endpoint" == client.calling_station_attribute
    assert "approve" == client_of_approving(file, "windows-rras").second_factor


def client_of_approving(file, profile, **keys):
    tree = with_profile(profile, second_factor="approve", **keys)
    return file.load({**tree, "callbacks": APPROVE["callbacks"]}).settings.clients["office-vpn"]


@pytest.mark.parametrize(
    ("profile", "keys", "expected"),
    [
        ("fortigate", {}, 2.5),
        ("netscaler", {}, 2.4),
        ("netscaler", {"gateway_timeout": "1s"}, 0.8),
        ("netscaler", {"gateway_timeout": "1s", "response_timeout": "0.5s"}, 0.5),
        ("meraki", {}, 2.5),
    ],
)
def test_a_challenge_is_sent_before_the_gateway_gives_up(file, profile, keys, expected):
    assert expected == client_of(file, profile, **keys).response_timeout


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, 45.0),
        ({"gateway_timeout": "40s"}, 35.0),
        ({"gateway_timeout": "10s", "gateway_requests": 3}, 25.0),
        ({"gateway_timeout": "300s"}, 60.0),
        ({"gateway_timeout": "10s"}, 45.0),
    ],
)
def test_an_approval_may_take_as_long_as_the_gateway_waits(file, keys, expected):
    assert expected == client_of_approving(file, "mikrotik", **keys).response_timeout


def test_a_timeout_of_the_gateway_is_enough_for_that(file):
    tree = changed(f"{CLIENT}.gateway_timeout", "2s")
    assert 1.6 == file.load(tree).settings.clients["office-vpn"].response_timeout


def test_an_unknown_profile_is_an_error_with_the_name_that_is_meant(file):
    (error,) = file.errors(with_profile("fortgate"))
    assert error.startswith("radius-voice.yaml:5: clients.office-vpn.profile: must be 'cisco-asa', 'f5', ")
    assert error.endswith("; did you mean fortigate?")
    (error,) = file.errors(with_profile(["fortigate"]))
    assert f"{CLIENT}.profile: must be " in error


@pytest.mark.parametrize("value", ["5", 5, ["5s"], "1h"])
def test_a_timeout_that_is_not_valid_is_reported_once_and_where_it_is(file, value):
    (error,) = file.errors(with_profile("netscaler", gateway_timeout=value))
    assert f"{CLIENT}.gateway_timeout: " in error


@pytest.mark.parametrize("profile", [name for name, each in PROFILES.items() if "second_factor" in each.keys])
def test_a_challenge_that_the_gateway_cannot_show_is_a_warning(file, profile):
    keys = {"password_required": True, "require_message_authenticator": "yes"}
    warnings = texts(file.load(with_profile(profile, second_factor="challenge", **keys)).warnings)
    expected = {
        "two_pass": "shows no challenge, so users cannot type a code; write two_pass, or approve",
        "approve": "has no field for a code; write approve",
    }[str(PROFILES[profile].keys["second_factor"])]
    assert f"{CLIENT}.second_factor: a gateway of profile {profile} {expected}" in warnings


def test_a_gateway_that_sends_no_message_authenticator_is_a_warning_unless_it_is_not_required(file):
    sent = "a gateway of profile openvpn sends no Message-Authenticator, so its requests are discarded; write no"
    assert any(sent in text for text in file.load(with_profile("openvpn")).warnings)
    unsigned = with_profile("openvpn", require_message_authenticator="no")
    assert not any(sent in text for text in file.load(unsigned).warnings)


def test_a_gateway_without_passwords_needs_a_policy_whose_gateway_checks_them(file):
    tree = {**with_profile("rd-gateway"), "policies": {}}
    (error,) = file.errors(tree)
    fix = "policy default needs first_factor: none and gateway_checks_password: true"
    assert error.endswith(f"{CLIENT}.password_required: without a password nothing would be verified here; {fix}")
