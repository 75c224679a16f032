"""The section of an identity source of type `radius`, and that it cannot be a directory."""

import pytest

from radius_voice.config.addresses import HostPort
from radius_voice.identity.radius.settings import FORWARDED, RadiusSettings
from tests.config.conftest import SECRETS, File, sample

SECRET = "a secret of the upstream server"


def with_upstream(directory="people", **changes):
    tree = sample()
    tree["identity"]["nps"] = {"type": "radius", "servers": ["10.0.0.5"], "secret": SECRET, **changes}
    tree["policies"] = {"default": {"first_factor": "nps", "directory": directory}}
    return tree


def upstream_of(loaded) -> RadiusSettings:
    section = loaded.settings.identity["nps"]
    assert isinstance(section, RadiusSettings)
    return section


def test_the_defaults(file: File):
    section = upstream_of(file.load(with_upstream()))
    assert (HostPort("10.0.0.5", 1812),) == section.servers
    assert ("yes", FORWARDED) == (section.require_message_authenticator, section.forward)
    assert (2.0, 16.0, 10.0) == (section.initial_timeout, section.max_timeout, section.probe_interval)
    assert SECRET not in repr(section)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("10.0.0.5", HostPort("10.0.0.5", 1812)),
        ("10.0.0.5:1645", HostPort("10.0.0.5", 1645)),
        ("2001:db8::5", HostPort("2001:db8::5", 1812)),
        ("[2001:db8::5]:1645", HostPort("2001:db8::5", 1645)),
    ],
)
def test_a_server_is_an_address_and_perhaps_a_port(file: File, written, read):
    assert (read,) == upstream_of(file.load(with_upstream(servers=written))).servers


@pytest.mark.parametrize(
    "server", ["nps.example.org", "10.0.0.5:0", "10.0.0.5:65536", "10.0.0", "0.0.0.0", "[::1]", ""]
)
def test_anything_else_is_no_server(file: File, server):
    (error,) = file.errors(with_upstream(servers=[server]))
    assert "identity.nps.servers" in error
    assert "not the address of a server; write it like 192.0.2.20" in error


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"servers": ["10.0.0.5", "10.0.0.5:1812"]}, "identity.nps.servers: has a server that is listed twice"),
        ({"servers": []}, "identity.nps.servers"),
        ({"initial_timeout": "5s", "max_timeout": "4s"}, "identity.nps.max_timeout: is shorter than initial_timeout"),
        ({"forward": ["NAS-Identifer"]}, "NAS-Identifer: no attribute of that name; did you mean NAS-Identifier?"),
        ({"forward": ["Proxy-State"]}, "Proxy-State: is never copied to another packet; remove it"),
        ({"forward": ["User-Password"]}, "User-Password: is never copied to another packet; remove it"),
        ({"forward": ["MS-CHAP-Response"]}, "MS-CHAP-Response: is never copied to another packet; remove it"),
        ({"forward": ["Tunnel-Password"]}, "Tunnel-Password: is encrypted and cannot be copied"),
        ({"reply": ["Clas"]}, "Clas: no attribute of that name; did you mean Class?"),
        ({"reply": ["State"]}, "State: is never copied to another packet; remove it"),
        ({"reply": ["MS-CHAP-MPPE-Keys"]}, "MS-CHAP-MPPE-Keys: is never copied"),
        ({"require_message_authenticator": "auto"}, "identity.nps.require_message_authenticator"),
    ],
)
def test_each_error_is_named_with_its_key(file: File, changes, problem):
    (error,) = file.errors(with_upstream(**changes))
    assert problem in error


def test_a_source_that_only_verifies_passwords_cannot_be_a_directory(file: File):
    (error,) = file.errors(with_upstream(directory="nps"))
    assert (
        "policies.default.directory: nps (type radius) only verifies passwords; name a source that has users" in error
    )


def test_the_only_source_must_be_a_directory(file: File):
    tree = with_upstream()
    del tree["identity"]["people"], tree["policies"]
    (error,) = file.errors(tree)
    assert "policies.default.directory: nps (type radius) only verifies passwords" in error


def test_salt_encrypted_attributes_may_be_in_the_reply(file: File):
    names = ("Class", "Tunnel-Password", "MS-MPPE-Send-Key", "MS-MPPE-Recv-Key")
    assert names == upstream_of(file.load(with_upstream(reply=list(names)))).reply


def test_a_short_secret_and_unsigned_responses_are_warned_of(file: File):
    tree = with_upstream(secret="short", require_message_authenticator="no")
    warnings = "\n".join(file.load(tree).warnings)
    assert "identity.nps.secret: is shorter than 16 characters" in warnings
    assert "identity.nps.require_message_authenticator: no lets an attacker" in warnings
    assert () == file.load(with_upstream()).warnings
    assert SECRETS[0] not in warnings
