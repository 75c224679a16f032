"""The section of an LDAP directory: errors with the key and the fix, and warnings."""

import pytest

from radius_voice.identity.ldap.settings import LdapServer, LdapSettings
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from tests.config.conftest import changed

BASE = {"type": "ldap", "servers": ["ldaps://dc1.example.org"], "base": "dc=example,dc=org"}


def with_ldap(**values):
    section = {key: value for key, value in {**BASE, **values}.items() if value is not None}
    return changed("identity", {"corp": section})


def section_of(loaded):
    section = loaded.settings.identity["corp"]
    assert isinstance(section, LdapSettings)
    return section


def test_the_least_section(file):
    loaded = file.load(with_ldap())
    section = section_of(loaded)
    assert () == loaded.warnings
    assert (LdapServer("dc1.example.org", 636, tls=True),) == section.servers
    assert (("mobile", "telephoneNumber"), True, True, 1.0) == (
        section.phones,
        section.verify_certificate,
        section.nested_groups,
        section.timeout,
    )


def test_servers_with_and_without_a_port(file):
    servers = ["ldap://dc1.example.org", "ldap://[2001:db8::1]:3268/", "ldaps://192.0.2.1"]
    assert (
        LdapServer("dc1.example.org", 389, tls=False),
        LdapServer("2001:db8::1", 3268, tls=False),
        LdapServer("192.0.2.1", 636, tls=True),
    ) == section_of(file.load(with_ldap(servers=servers, start_tls=True))).servers


@pytest.mark.parametrize(
    ("values", "key", "fix"),
    [
        ({"servers": ["dc1.example.org"]}, "servers[0]", "write ldaps://HOST"),
        ({"servers": ["ldaps://user:secret@dc1.example.org"]}, "servers[0]", "write ldaps://HOST"),
        ({"servers": ["ldaps://dc1.example.org:0"]}, "servers[0]", "write ldaps://HOST"),
        ({"servers": []}, "servers", ""),
        ({"servers": ["ldap://dc1.example.org"]}, "servers[0]", "write ldaps://, or start_tls: true"),
        ({"start_tls": True}, "start_tls", "ldaps:// servers use TLS from the start"),
        ({"bind_dn": "cn=reader"}, "bind_dn", "needs bind_password; write both or none"),
        ({"bind_password": "secret"}, "bind_password", "needs bind_dn; write both or none"),
        ({"client_certificate": "client.pem"}, "client_certificate", "needs client_key"),
        ({"user_filter": "(uid=alice)"}, "user_filter", "must have {user}"),
        ({"user_filter": "uid={user}"}, "user_filter", "in parentheses"),
        ({"bind_template": "corp"}, "bind_template", "must have {user} once"),
        ({"default_region": "UK"}, "default_region", "ISO 3166"),
        ({"phones": ["mobile phone"]}, "phones[0]", ""),
        ({"ca_file": "missing.pem"}, "ca_file", "does not exist; correct the path or create the file"),
        ({"expired_password_text": "ü" * 127}, "expired_password_text", "253 octets"),
        ({"expired_password_text": "two\nlines"}, "expired_password_text", "one line"),
        ({"base": None}, "base", ""),
    ],
)
def test_an_error_names_the_key_and_the_fix(file, values, key, fix):
    (error,) = file.errors(with_ldap(**values))
    assert f"identity.corp.{key}: " in error
    assert fix in error
    assert "secret" not in error


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_server_on_this_machine_needs_no_tls(file, host):
    assert () == file.load(with_ldap(servers=[f"ldap://{host}"])).warnings


def test_unverified_certificates_are_a_warning(file):
    (warning,) = file.load(with_ldap(verify_certificate=False)).warnings
    assert "identity.corp.verify_certificate: false: another host can pose as a server" in warning


def test_an_unknown_lockout_of_a_domain_is_a_warning(file):
    template = {"server_type": "active_directory", "bind_template": "{user}@corp.example"}
    (warning,) = file.load(with_ldap(**template)).warnings
    assert "identity.corp.lockout: without bind_dn the lockout threshold of the domain cannot be read" in warning
    lockout = {"lockout": {"attempts": 5, "window": "30m"}}
    assert () == file.load(with_ldap(**template, **lockout)).warnings


@pytest.mark.parametrize("lockout", [{"attempts": 1, "window": "30m"}, {"attempts": 5, "window": "30s"}])
def test_a_lockout_has_a_threshold_and_a_window(file, lockout):
    (error,) = file.errors(with_ldap(lockout=lockout))
    assert "identity.corp.lockout." in error


def test_the_bind_password_is_not_shown(file):
    section = section_of(file.load(with_ldap(bind_dn="cn=reader", bind_password="not-for-logs")))
    assert "not-for-logs" not in repr(section)
    assert "not-for-logs" not in repr(AccountCheck(True, str(section)))
