"""`clients.NAME.probe`: the user of a gateway's health checks."""

import pytest

from radius_voice.login.codes.keys import Keys
from radius_voice.server.clients import Probe
from radius_voice.wiring.client_entries import clients_of
from tests.config.conftest import SECRETS, changed

CLIENT = "clients.office-vpn"
PASSWORD = "only for the health checks"


def with_probe(**keys):
    return changed(f"{CLIENT}.probe", {"user": "Health-Check", **keys})


@pytest.mark.parametrize(
    ("keys", "probe"),
    [
        ({}, Probe("health-check")),
        ({"response": "accept", "password": PASSWORD}, Probe("health-check", PASSWORD.encode())),
    ],
    ids=["reject", "accept"],
)
def test_a_probe_is_rejected_unless_it_has_a_password_to_be_accepted(file, keys, probe):
    client = clients_of(file.load(with_probe(**keys)).settings, Keys(b"k" * 32)).find("10.0.0.1")
    assert client is not None
    assert probe == client.probe


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"response": "accept"}, "password: is missing; response: accept needs one"),
        ({"password": PASSWORD}, "password: has an effect only with response: accept; remove it"),
        ({"response": "accept", "password": "x" * 15}, "password: must have at least 16 characters"),
        ({"user": "two\nlines"}, "user: does not have the required form"),
    ],
)
def test_a_probe_that_is_unsafe_or_has_no_effect_is_an_error(file, keys, message):
    (error,) = file.errors(with_probe(**keys))
    assert f"{CLIENT}.probe" in error
    assert message in error
    assert PASSWORD not in error


def test_the_shared_secret_as_the_password_gets_a_warning(file):
    (warning,) = file.load(with_probe(response="accept", password=SECRETS[0])).warnings
    assert f"{CLIENT}.probe.password: is the same as {CLIENT}.secret; give the probe user another password" in warning


def test_two_clients_may_have_the_same_probe_user(file):
    tree = with_probe(response="accept", password=PASSWORD)
    probe = dict(tree["clients"]["office-vpn"]["probe"])
    tree["clients"]["other"] = {"address": "10.0.0.2", "secret": "x" * 20, "probe": probe}
    assert [] == list(file.load(tree).warnings)


def test_a_password_that_this_process_cannot_read_is_no_error(file):
    tree = with_probe(response="accept", password={"env": "PROBE_PASSWORD"})
    file.environ["PROBE_PASSWORD"] = PASSWORD
    assert PASSWORD == file.load(tree).settings.clients["office-vpn"].probe.password.get_secret_value()
