from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from radius_voice.config.addresses import Endpoint
from radius_voice.config.errors import ConfigError
from radius_voice.config.field_types import Rate
from radius_voice.config.load import MAX_FILE_OCTETS, restart_needed
from radius_voice.login.model import Method
from radius_voice.wiring.adapters import load
from tests.config.conftest import NOW, SECRETS, changed, sample


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat()


def test_a_valid_file_has_no_warning_and_all_defaults(file):
    loaded = file.load(sample())
    settings = loaded.settings
    assert () == loaded.warnings
    assert (Endpoint("0.0.0.0", 1812),) == settings.server.listen
    assert file.path.parent / "state" == settings.server.state
    assert file.path.parent / "users.yaml" == settings.identity["people"].path
    assert Rate(10, 600.0) == settings.limits.wrong_passwords.user
    assert settings.policies["default"].countries is None


def test_a_default_policy_exists_with_one_identity_source(file):
    policy = file.load(sample()).settings.policies["default"]
    assert ("people", "people") == (policy.first_factor, policy.directory)


def test_all_providers_are_used_in_the_configured_order_by_default(file):
    tree = sample()
    tree["delivery"]["providers"]["another"] = dict(tree["delivery"]["providers"]["twilio"])
    assert ("twilio", "another") == file.load(tree).settings.delivery.order_of(Method.VOICE)
    assert () == file.load(tree).settings.delivery.order_of(Method.SMS)


def test_an_error_names_file_line_key_and_fix(file):
    text = "development: maybe\n" + "clients:\n  hq:\n    address: 10.0.0.1/8\n"
    assert "radius-voice.yaml:1: development: must be true or false" in file.errors(text)
    expected = "radius-voice.yaml:4: clients.hq.address: has host bits set; write 10.0.0.0/8, or the address without /8"
    assert expected in file.errors(text)


def test_all_errors_are_reported_at_once_in_the_order_of_lines(file):
    tree = changed("clients.office-vpn.adress", "10.0.0.1")
    tree["clients"]["office-vpn"]["policy"] = "staf"
    tree["policies"] = {"staff": {"directory": "peple", "challenge": {"digits": 11}}}
    tree["delivery"]["voice"] = ["twilo"]
    errors = file.errors(tree)
    assert [
        "clients.office-vpn.adress: unknown key; did you mean address?",
        "clients.office-vpn.policy: there is no such policy; did you mean staff?",
        "delivery.voice[0]: there is no such provider; did you mean twilio?",
        "policies.staff.directory: there is no such identity source; did you mean people?",
        "policies.staff.challenge.digits: must be at most 10",
    ] == [error.split(": ", 1)[1] for error in errors]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "1: is empty; make a new configuration with: radius-voice init DIRECTORY"),
        ("# nothing\n", "1: is empty"),
        ("- a\n", "1: is not a mapping of settings"),
        ("just text", "1: is not a mapping of settings"),
        (b"clients:\n  caf\xe9: 1\n", "2: is not UTF-8"),
        ("clients: {}\nclients: {}\n", "2: 'clients' is listed twice, first in line 1"),
        ("a: &x [1]\nb: *x\n", "anchors (&name) are not allowed"),
        ("a: " + "[" * 100_000, "nested too deeply"),
        ("a: !!python/object:os.system x", "tags (!name) are not allowed"),
        (b"x" * (MAX_FILE_OCTETS + 1), "is larger than"),
    ],
)
def test_a_text_that_is_not_a_configuration_is_one_clear_error(file, content, expected):
    assert any(expected in error for error in file.errors(content))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("missing.yaml", "No such file"),
        (".", "a directory, not a regular file"),
        ("a\0b", "not a path"),
        ("x" * 5000, "too long"),
    ],
)
def test_a_path_that_cannot_be_read_is_one_clear_error(tmp_path: Path, path, expected):
    with pytest.raises(ConfigError, match=expected):
        load(tmp_path / path, {})


def test_a_fifo_as_configuration_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="pipe: cannot be read: a FIFO, not a regular file"):
        load(tmp_path / "pipe", {})


def test_yes_and_no_are_strings(file):
    for word in ("yes", "no", "auto"):
        text = f"    require_message_authenticator: {word}\n"
        head = "clients:\n  office-vpn:\n    address: 10.0.0.1\n    secret: a-secret-long-enough\n"
        tail = "identity: {p: {type: users_file, path: users.yaml}}\ndelivery: {friendly_name: A, providers: {t: {type: twilio-voice, account_sid: AC11111111111111111111111111111111, auth_token: t, from: '+14155550123'}}}\n"
        assert word == file.load(head + text + tail).settings.clients["office-vpn"].require_message_authenticator


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("server.reject_delay", 3, "a duration needs its unit"),
        ("server.reject_delay", "6s", "must be between 0s and 5s"),
        ("server.reject_delay", "3 seconds", "not a duration"),
        ("server.reject_delay", True, "in quotes"),
        ("server.max_concurrent", 1.5, "must be a whole number"),
        ("server.max_concurrent", 0, "must be at least 1"),
        ("server.listen", ["0.0.0.0:1812"], "udp://"),
        ("server.listen", ["udp://localhost:1812"], "not an address"),
        ("server.listen", ["udp://::1:1812"], "not an address"),
        ("server.listen", ["udp://127.0.0.1:99999"], "not an address and a port from 1 to 65535; write it like udp://"),
        ("server.listen", ["udp://127.0.0.1:0"], "development"),
        ("server.listen", ["udp://127.0.0.1:1812", "udp://127.0.0.1:1812"], "twice"),
        ("server.listen", [], "must not be empty"),
        ("server.key", "short", "must have 32 to 64 octets and has 5; make one with: openssl rand -hex 32"),
        ("server.key", "k" * 65, "must have 32 to 64 octets and has 65; make one with: openssl rand -hex 32"),
        ("server.key", "\N{LATIN SMALL LETTER E WITH ACUTE}" * 33, "must have 32 to 64 octets and has 66"),
        ("server.state", "~/state", "not expanded"),
        ("clients", {}, "must not be empty"),
        ("clients", None, "has no value"),
        ("clients.Office", {"address": "10.0.0.2", "secret": "s"}, "not a valid name"),
        ("clients.office-vpn.address", "10.0.0", "not an address or network"),
        ("clients.office-vpn.address", 10.5, "in quotes"),
        ("clients.office-vpn.address", "::ffff:10.0.0.1", "write it as IPv4"),
        ("clients.office-vpn.address", ["10.0.0.1", "10.0.0.1/32"], "also belongs to this client"),
        ("clients.other", {"address": "10.0.0.1", "secret": "s"}, "also belongs to client office-vpn"),
        ("clients.office-vpn.secret", 12345678, "in quotes"),
        ("clients.office-vpn.secret", ["a", "b", "c"], "at most 2"),
        ("clients.office-vpn.response_timeout", "0.1s", "between 0.2s and 1m"),
        ("identity.people.type", "kerberos", "is not a known type; known are 'users_file', 'ldap', 'sql', 'radius'"),
        ("identity.none", {"type": "users_file", "path": "u"}, "use another name"),
        ("identity.second", {"type": "users_file", "path": "u"}, "no policy default exists"),
        ("policies.staff.first_factor", "contractors", "no such identity source"),
        ("policies.staff.directory", "none", "no such identity source"),
        (
            "policies.staff.challenge",
            {"session_timeout": "1m"},
            "challenge.session_timeout: must be at least 150s: ring_timeout (30s) + 120s (code_lifetime)",
        ),
        ("policies.staff.countries", [], "any"),
        ("policies.staff.countries", ["us"], "capital"),
        ("policies.staff.allow_numbers", "+4915", "must be a list; write it like ['+4915', '+12025550123']"),
        ("policies.staff.allow_numbers", ["+1"], "write + and 4 to 15 digits without spaces"),
        ("policies.staff.allow_numbers", ["+49 15"], "write + and 4 to 15 digits without spaces"),
        ("policies.staff.allow_numbers", [4915], "in quotes"),
        ("policies.staff.reject_numbers", ["+371 27"], "write + and 4 to 15 digits without spaces"),
        ("policies.staff", {"allow_numbers": ["+37127"], "reject_numbers": ["+37127"]}, "is also in allow_numbers"),
        ("policies.staff.sip_domains", "pbx.example.org", "must be a list"),
        ("policies.staff.sip_domains", ["sip:3105@pbx.example.org"], "not the name or IP address of a host; write it"),
        ("policies.staff.sip_domains", ["pbx.example.org:5060"], "not the name or IP address of a host"),
        ("policies.staff.sip_domains", [""], "not the name or IP address of a host"),
        ("policies.staff.sip_domains", [7], "in quotes"),
        ("delivery.providers.twilio.from", "sip:3105@pbx.example.org", "not a phone number; write it as +"),
        ("delivery.providers.twilio.sip_auth_username", "radius-voice", "belong together; write both or none"),
        ("delivery.providers.twilio.sip_auth_password", "a password", "belong together; write both or none"),
        ("limits.calls_per_day.countries", {"sip:": "10 per 24h"}, "not the name or IP address of a host"),
        ("limits.calls_per_day.countries", {"Latvia": "10 per 24h"}, "write an ISO 3166 code of two capital letters"),
        ("limits.calls_per_day.countries", {"LV": "10 per 1h"}, "the period of this limit is a day"),
        ("policies.staff.on_delivery_failure", "bypass", "must be 'reject', or a mapping with bypass_until"),
        ("policies.staff.on_delivery_failure", {"bypass_until": "2027-01-01T00:00:00"}, "no zone"),
        ("policies.staff.on_delivery_failure", {"bypass_until": at(240 * 60 + 1)}, "240 minutes"),
        ("policies.staff.reply", [{"set": {}}], "must not be empty"),
        ("policies.staff.exemptions", {"users": ["a"], "reason": "x"}, "must be a list; write it like [{groups:"),
        ("policies.staff.exemptions", [{"users": ["a"]}], "exemptions[0].reason: is missing"),
        ("policies.staff.exemptions", [{"users": ["a"], "reason": ""}], "must not be empty"),
        ("policies.staff.exemptions", [{"reason": "x"}], "applies to no user; add users, groups or networks"),
        ("policies.staff.exemptions", [{"users": [], "reason": "x"}], "users: must not be empty"),
        ("policies.staff.exemptions", [{"networks": ["10.0.0.1/8"], "reason": "x"}], "host bits set; write 10.0.0.0/8"),
        ("policies.staff.exemptions", [{"networks": ["::/0"], "reason": "x"}], "includes every address"),
        (
            "policies.staff.exemptions",
            [{"users": ["a"], "address_attribute": "Framed-IP-Address", "reason": "x"}],
            "exemptions[0].address_attribute: has an effect only with networks",
        ),
        (
            "policies.staff.exemptions",
            [{"networks": ["10.0.0.0/8"], "address_attribute": "NAS-Port", "reason": "x"}],
            "exemptions[0].address_attribute: holds no address; name an attribute like Calling-Station-Id",
        ),
        (
            "policies.staff.exemptions",
            [{"networks": ["10.0.0.0/8"], "address_attribute": "Caling-Station-Id", "reason": "x"}],
            "did you mean Calling-Station-Id?",
        ),
        ("policies.staff.gateway_checks_password", True, "has an effect only with first_factor: none; remove it"),
        ("policies.staff.reply", [{"set": {"Class": True}}], "in quotes"),
        ("delivery.friendly_name", "x" * 61, "at most 60"),
        ("delivery.friendly_name", "a\nb", "does not have the required form"),
        ("delivery.voice", ["twilio", "twilio"], "twice"),
        ("delivery.providers.twilio.type", "twillio-voice", "known are 'twilio-voice', "),
        ("delivery.sms", ["twilio"], "no provider of type twilio-voice sends text messages; remove it from this list"),
        ("policies.default.methods", ["voice", "voice"], "is listed twice"),
        (
            "policies.default.methods",
            ["voice", "sms"],
            "no provider in delivery.providers delivers by sms; write methods: [voice]",
        ),
        ("policies.default.methods", [], "must"),
        ("policies.default.methods", ["email"], "must be 'voice' or 'sms'"),
        ("delivery.providers.twilio.account_sid", "SK" + "1" * 32, "AC and 32"),
        ("delivery.providers.twilio.api_key", "SK" + "1" * 32, "either auth_token, or api_key and api_secret"),
        ("delivery.providers.twilio.from", 14155550123, "in quotes"),
        ("delivery.providers.twilio.from", "4155550123", "write it as +"),
        ("delivery.providers.twilio.region", "ie1", "both or none"),
        ("delivery.providers.twilio.base_url", "https://localhost:4010", "development"),
        ("delivery.providers.twilio.base_url", "https://[::1]:4010", "development"),
        ("delivery.providers.twilio.base_url", "https://0.0.0.0:4010", "development"),
        ("delivery.providers.twilio.base_url", "http://twilio.example.org", "https"),
        ("delivery.providers.twilio.base_url", "ftp://twilio.example.org", "not a URL"),
        ("delivery.providers.twilio.base_url", "https://twilio..example.org", "not a URL"),
        ("delivery.providers.twilio.base_url", f"https://{'a' * 64}.example.org", "not a URL"),
        ("delivery.providers.twilio.base_url", "https://twilio.example.org/api?x=1", "not a URL"),
        ("delivery.providers.twilio.base_url", "https://twilio.example.org//api", "not a URL"),
        ("delivery.providers.twilio.proxy", "https://proxy.example.org/path", "without a path"),
        (
            "delivery.providers.twilio.account_sid",
            "4f1a0c9e-6a0b-4c1d-8e2f-3a4b5c6d7e8f",
            "is not a Twilio account SID",
        ),
        ("delivery.providers.twilio.proxy", "http://me:pass@proxy:3128", "no user name or password"),
        ("delivery.providers.twilio.ca_file", "ca.pem", "does not exist"),
        ("delivery.providers.twilio.ca_file", ".", "is not a file"),
        ("delivery.providers.twilio.ca_file", "radius-voice.yaml", "contains no certificate in PEM"),
        (
            "audit.syslog",
            {"server": "127.0.0.1:6514", "ca_file": "radius-voice.yaml"},
            "contains no certificate in PEM",
        ),
        ("delivery.providers.twilio.connect_timeout", "20s", "is longer than timeout"),
        ("delivery.providers.twilio.timeout", "1s", "twilio.timeout: is shorter than connect_timeout"),
        ("delivery.providers.fixed", {"type": "fixed", "code": "123456"}, "requires development: true"),
        ("server.max_concurrent", "6", "must be a whole number; write it without quotes"),
        ("server.max_concurrent", "6.5", "must be a whole number"),
        ("development", "true", "must be true or false; write it without quotes"),
        ("store", "redis", "store: must be a mapping; write {type: redis}"),
        ("clients.office-vpn.secret", {"file:x.secret": None}, "a space is missing after the colon; write"),
        ("audit.syslog", {"server": "hush"}, "like syslog.example.org:6514 or [2001:db8::1]:6514"),
        ("store", {"type": "redis", "servers": ["hush"]}, "like redis.example.org:6379 or [2001:db8::1]:6379"),
        ("limits.calls.user", 5, "write it like '10 per 10m'"),
        ("limits.calls.user", "0 per 10m", "or off"),
        ("limits.calls_per_day.total", "10 per 1h", "30 per 24h"),
        ("store.type", "oracle", "known are 'sqlite', 'memory'"),
        ("audit", {"path": "-", "keep": "365d"}, "audit.keep: standard output has no daily files; name a file"),
        ("audit.keep", "12h", "must be between 1d and 3650d"),
        ("admin.listen", "127.0.0.1:0", "development"),
        ("admin.listen", "9812", "not an address"),
        ("admin.listen", "127.0.0.1:99999", "a port from 1 to 65535"),
        ("audit.syslog", {"server": "syslog:99999"}, "not a server and a port from 1 to 65535"),
        ("admin.hosts", "radius.example.org", "must be a list"),
        ("admin.hosts", ["radius.example.org:9812"], "write it like metrics.example.org"),
        ("admin.hosts", ["http://radius.example.org"], "write it like metrics.example.org"),
        ("admin.hosts", ["*.example.org"], "write it like metrics.example.org"),
        ("log.level", "trace", "must be 'debug', 'info' or 'warning'"),
        ("loging", {"level": "info"}, "did you mean log"),
        ("branch", {"address": "10.0.0.2"}, "if it belongs to the section above, indent it"),
        ("server", None, "has no value; indent what belongs to it or remove the key"),
        ("log.level", None, "has no value; give it one or remove the key"),
    ],
)
def test_a_wrong_value_is_refused_with_its_fix(file, key, value, expected):
    errors = file.errors(changed(key, value))
    assert any(expected in error for error in errors), errors


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("server.listen", "udp://0.0.0.0:1812", "must be a list; write it like ['udp://0.0.0.0:1812']"),
        ("server.listen", [], "must not be empty; write it like ['udp://0.0.0.0:1812']"),
        (
            "clients.office-vpn.address",
            "10.0.0.1, 10.0.0.2",
            "and several as a list, like [192.0.2.10, 198.51.100.0/24]",
        ),
        ("clients.office-vpn.address", [], "must not be empty; write it like [192.0.2.10, 198.51.100.0/24]"),
        ("clients.office-vpn.secret", ["a", "b", "c"], "items; write it like [{file: old.secret}, {file: new.secret}]"),
        ("policies.default.allow_numbers", "+4915", "must be a list; write it like ['+4915', '+12025550123']"),
        ("policies.default.countries", "US", "write a list of countries, like [US, GB], or any"),
        ("policies.default.reply", {"set": {"Class": "a"}}, "must be a list; write it like [{set: {Class: VPN}}]"),
        ("delivery.voice", "twilio", "must be a list; write it like [twilio]"),
        ("store", {"type": "redis", "servers": "a:1"}, "must be a list; write it like ['redis.example.org:6379']"),
    ],
)
def test_an_error_of_a_list_shows_a_list(file, key, value, expected):
    errors = file.errors(changed(key, value))
    assert any(error.endswith(expected) for error in errors), errors


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("clients.office-vpn.ADDRESS", "10.0.0.1", "unknown key; did you mean address?"),
        ("clients.office-vpn.require_message_authenticator", "yess", "'yes', 'auto' or 'no'; did you mean yes?"),
        ("clients.office-vpn.policy", "Staff", "there is no such policy; did you mean staff?"),
        ("identity.people.type", "users-file", "'radius'; did you mean users_file?"),
        ("policies.staff.directory", "People", "there is no such identity source; did you mean people?"),
        ("policies.staff.first_factor", "None", "there is no such identity source; did you mean none?"),
        ("policies.staff.on_unavailable", "rejct", "'no_response' or 'reject'; did you mean reject?"),
        ("identity.people.type", "user_file", "'radius'; did you mean users_file?"),
        ("policies.staff.countries", ["US", "UK"], "UK is not a country code (did you mean GB?); write ISO 3166 codes"),
        (
            "policies.staff.countries",
            ["usa", "de"],
            "usa is not a country code (did you mean US?), de is not a country code",
        ),
        ("policies.staff.countries", ["US", "ZZ"], "ZZ is not a country code; write ISO 3166 codes"),
        ("policies.staff.countries", ["US", 1], "holds an item that is not a country code; write"),
        ("delivery.voice", ["Twilio"], "there is no such provider; did you mean twilio?"),
        ("delivery.providers.twilio.type", "twilio_voice", "; did you mean twilio-voice?"),
        ("limits.calls.usr", "off", "unknown key; did you mean user?"),
        ("limits.wrong_password", {}, "unknown key; did you mean wrong_passwords?"),
        ("store.type", "SQLite", "'sqlite', 'memory', 'redis'; did you mean sqlite?"),
        ("store", {"path": "x"}, "has no type; add one of sqlite, memory, redis"),
        ("log.level", "warn", "'debug', 'info' or 'warning'; did you mean warning?"),
        ("server.key", {"fiel": "server.key"}, "not a source of a secret; did you mean file?; write the text"),
    ],
)
def test_an_unknown_word_is_reported_with_a_similar_known_one(file, key, value, expected):
    tree = changed(key, value)
    tree.setdefault("policies", {}).setdefault("staff", {})
    errors = file.errors(tree)
    assert any(expected in error for error in errors), errors


@pytest.mark.parametrize(
    ("method", "name", "expected"),
    [
        ("sms", "tiwlio", "delivery.sms[0]: there is no such provider; known are texts"),
        ("sms", "txts", "delivery.sms[0]: there is no such provider; did you mean texts?"),
        ("voice", "text", "delivery.voice[0]: there is no such provider; known are twilio"),
    ],
)
def test_only_providers_that_have_the_method_are_suggested(file, method, name, expected):
    tree = changed(f"delivery.{method}", [name])
    account = {"account_sid": "AC" + "1" * 32, "auth_token": SECRETS[1]}
    tree["delivery"]["providers"]["texts"] = {"type": "twilio-sms", "from": "+14155550123", **account}
    (error,) = file.errors(tree)
    assert error.endswith(expected)


def test_a_provider_with_errors_is_suggested_for_any_method(file):
    tree = changed("delivery.sms", ["tiwlio"])
    del tree["delivery"]["providers"]["twilio"]["from"]
    assert any(
        error.endswith("delivery.sms[0]: there is no such provider; did you mean twilio?")
        for error in file.errors(tree)
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("store", {"type": "sqlite", "servers": ["a:1"]}, "store.servers: belongs to type redis, not to sqlite"),
        (
            "store",
            {"type": "redis", "servers": ["a:1"], "path": "x"},
            "store.path: belongs to type sqlite, not to redis",
        ),
        (
            "delivery.providers.fixed",
            {"type": "fixed", "code": "123456", "api_key": "x"},
            "delivery.providers.fixed.api_key: belongs to type twilio-voice",
        ),
        ("store", {"type": "sqlite", "zzz": 1}, "store.zzz: unknown key; known here are type, path"),
        (
            "identity.people",
            {"type": "users_file", "path": "users.yaml", "zzz": 1},
            "zzz: unknown key; known here are type, path",
        ),
        (
            "identity.people",
            {"type": "users_file", "path": "users.yaml", "base": "dc=x"},
            "belongs to type ldap, not to users_file",
        ),
        ("identity.people", {"type": ["x"], "zzz": 1}, "type: is not a known type; known are 'users_file', 'ldap'"),
        ("identity.people", {"type": "users_file", "url": "x"}, "people.url: belongs to type sql, not to users_file"),
        (
            "identity.people",
            {"type": "users_file", "path": "users.yaml", "servers": ["10.0.0.5"]},
            "identity.people.servers: belongs to type ldap or radius, not to users_file",
        ),
    ],
)
def test_a_key_of_another_type_is_reported_as_such(file, key, value, expected):
    errors = file.errors(changed(key, value))
    assert any(expected in error for error in errors), errors


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("server:\n  state: x\n  workers: 4\nstore: {type: memory}\n", 3, "server.workers: several workers cannot"),
        (
            "policies:\n  default:\n    challenge:\n      digits: 6\n      session_timeout: 60s\n",
            5,
            "challenge.session_timeout: must be at",
        ),
        ("store:\n  type: redis\n  servers: [a:1]\n  ca_file: x\n", 4, "store.ca_file: is for TLS"),
        ("store:\n  path: x\n  type: sqlit\n", 3, "store.type: is not a known type; known are 'sqlite'"),
    ],
)
def test_an_error_of_a_section_has_the_line_of_its_key(file, text, line, expected):
    errors = file.errors(text + yaml.safe_dump(sample()))
    assert any(error.startswith(f"radius-voice.yaml:{line}: ") and expected in error for error in errors), errors


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("clients.office-vpn.secret", "short", "shorter than 16 characters"),
        ("clients.office-vpn.require_message_authenticator", "no", "CVE-2024-3596"),
        ("clients.office-vpn.address", "192.0.2.1", "for documentation"),
        ("clients.office-vpn.address", "2001:db8::/48", "for documentation"),
        ("clients.office-vpn.address", "0.0.0.0/0", "every address"),
        ("policies.default.on_delivery_failure", {"bypass_until": at(0)}, "has ended"),
        ("delivery.providers.twilio.account_sid", "AC" + "0" * 32, "placeholder"),
        ("delivery.providers.twilio.auth_token", "replace-me", "placeholder"),
        ("delivery.providers.twilio.from", "+15005550006", "places no calls"),
        ("admin.listen", "0.0.0.0:9812", "127.0.0.1 is safer"),
    ],
)
def test_risky_settings_get_a_warning(file, key, value, expected):
    (warning,) = file.load(changed(key, value)).warnings
    assert expected in warning


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, ": No such file or directory; correct the path or create the file"),
        (lambda path: path.mkdir(), ": a directory, not a regular file; correct the path"),
        (lambda path: os.mkfifo(path, 0o600), ": a FIFO, not a regular file; correct the path"),
        (lambda path: path.symlink_to(path), ": Too many levels of symbolic links; correct the path"),
    ],
)
def test_an_unreadable_users_file_is_reported_with_its_key_among_the_other_errors(file, make, expected):
    file.users.unlink()
    make(file.users)
    errors = file.errors(changed("clients.office-vpn.policy", "nothing"))
    assert any(
        re.search(rf"^radius-voice.yaml:\d+: identity.people.path: users.yaml{expected}", error) for error in errors
    )
    assert any("clients.office-vpn.policy: there is no such policy" in error for error in errors)


def test_a_reply_attribute_that_cannot_be_sent_is_named_with_its_line_among_the_other_errors(file):
    text = (
        yaml.safe_dump(changed("log.level", "loud"))
        + """policies:
  default:
    reply:
      - set:
          Class: ok
          Framed-Protokol: PPP
      - set: {Ruckus-Role: admin}
      - set: {Session-Timeout: hush}
"""
    )
    start = text.index("policies:")
    first = text.count("\n", 0, start) + 1
    errors = file.errors(text)
    errors_by_line = {int(error.split(":")[1]) - first: error.split(": ", 1)[1] for error in errors if "reply" in error}
    assert (
        "policies.default.reply[0].set.Framed-Protokol: no attribute of that name; did you mean Framed-Protocol?"
        == errors_by_line[5]
    )
    assert errors_by_line[6].startswith(
        "policies.default.reply[1].set.Ruckus-Role: an attribute of a vendor whose dictionary is not"
    )
    assert "policies.default.reply[2].set.Session-Timeout: takes a number" == errors_by_line[7]
    assert any("log.level: must be 'debug'" in error for error in errors)


def test_reply_attributes_that_do_not_fit_into_an_accept_are_an_error(file):
    rules = [{"set": {"Class": "x" * 250}} for _ in range(4)]
    errors = file.errors(changed("policies.default.reply", rules))
    assert ["policies.default.reply: has 1008 octets of attributes; at most 960 fit; remove some"] == [
        error.split(": ", 1)[1] for error in errors
    ]


def test_with_several_identity_sources_each_policy_names_its_own(file):
    tree = changed("identity.two\nlines", {"type": "users_file", "path": "users.yaml"})
    tree["policies"] = {"default": {"first_factor": "people"}}
    errors = file.errors(tree)
    assert any(
        "policies.default.directory: is missing; write one of people, 'two\\nlines'" in error for error in errors
    )
    assert not any("default.first_factor" in error for error in errors)


def test_a_bypass_that_ends_in_time_is_wall_clock_seconds(file):
    tree = changed("policies.default.on_delivery_failure", {"bypass_until": at(240 * 60)})
    failure = file.load(tree).settings.policies["default"].on_delivery_failure
    assert NOW + 240 * 60 == failure.bypass_until


def test_first_factor_none_needs_require_message_authenticator_yes(file):
    for word in ("auto", "no"):
        tree = changed("policies.default.first_factor", "none")
        tree["clients"]["office-vpn"]["require_message_authenticator"] = word
        assert any("must be yes where first_factor is none" in error for error in file.errors(tree))
    assert (
        "none" == file.load(changed("policies.default.first_factor", "none")).settings.policies["default"].first_factor
    )


def test_decoys_need_first_factor_none(file):
    (error,) = file.errors(changed("policies.default.decoys", True))
    assert "policies.default.decoys: has an effect only with first_factor: none; remove it" in error
    tree = changed("policies.default", {"decoys": True, "first_factor": "none"})
    assert file.load(tree).settings.policies["default"].decoys


def test_a_fixed_code_needs_loopback_clients_and_as_many_digits(file):
    tree = changed("development", True)
    tree["delivery"]["providers"] = {"fixed": {"type": "fixed", "code": "1234"}}
    errors = file.errors(tree)
    assert any("clients.office-vpn.address: must be on loopback" in error for error in errors)
    assert any("must have as many digits as policy default requires: 6" in error for error in errors)
    tree["clients"]["office-vpn"]["address"] = ["127.0.0.1", "10.0.0.1"]
    assert any("must be on loopback" in error for error in file.errors(tree))
    tree["clients"]["office-vpn"]["address"] = ["127.0.0.0/8", "::1"]
    tree["delivery"]["providers"]["fixed"]["code"] = "123456"
    loaded = file.load(tree)
    assert "fixed" == loaded.settings.delivery.providers["fixed"].type
    assert "123456" not in repr(loaded)


def test_development_allows_a_provider_on_loopback_and_port_0(file):
    tree = changed("delivery.providers.twilio.base_url", "http://127.0.0.1:4010/")
    tree |= {"development": True, "server": {"listen": ["udp://[::1]:0"]}}
    settings = file.load(tree).settings
    assert "http://127.0.0.1:4010" == settings.delivery.providers["twilio"].base_url
    assert "[::1]:0" == str(settings.server.listen[0])


def test_a_service_with_twilios_api_may_have_a_path_and_a_uuid_as_account(file):
    tree = changed("delivery.providers.twilio.base_url", "https://example.signalwire.com/api/laml/")
    tree["delivery"]["providers"]["twilio"]["account_sid"] = "4f1a0c9e-6a0b-4c1d-8e2f-3a4b5c6d7e8f"
    loaded = file.load(tree)
    assert "https://example.signalwire.com/api/laml" == loaded.settings.delivery.providers["twilio"].base_url
    assert () == loaded.warnings


def test_systemd_sets_the_state_directory_unless_the_file_does(file):
    file.environ["STATE_DIRECTORY"] = "/var/lib/radius-voice:/var/lib/other"
    assert Path("/var/lib/radius-voice") == file.load(sample()).settings.server.state
    assert file.path.parent / "here" == file.load(changed("server.state", "here")).settings.server.state


def test_a_dash_is_standard_output(file):
    assert file.load(changed("audit.path", "-")).settings.audit.path is None


def test_off_disables_a_limit(file):
    assert file.load(changed("limits.calls.user", "off")).settings.limits.calls.user is None


def test_a_file_with_a_byte_order_mark_is_read(file):
    content = b"\xef\xbb\xbf" + yaml.safe_dump(sample()).encode()
    assert () == file.load(content).warnings


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("server.listen", ["udp://0.0.0.0:1645"], ["server.listen"]),
        ("server.state", "elsewhere", ["server.state"]),
        ("admin.listen", "127.0.0.1:9999", ["admin.listen"]),
        ("log.level", "debug", ["log"]),
        ("audit.path", "other.jsonl", ["audit"]),
        ("clients.office-vpn.secret", "another-secret-of-the-gateway", []),
        ("server.reject_delay", "2s", []),
    ],
)
def test_keys_that_need_a_restart_are_reported(file, key, value, expected):
    assert expected == restart_needed(file.load(sample()).settings, file.load(changed(key, value)).settings)


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("udp://0.0.0.0:1812", "udp://127.0.0.1:1812", "0.0.0.0:1812"),
        ("udp://127.0.0.1:1812", "udp://0.0.0.0:1812", "127.0.0.1:1812"),
        ("udp://[::1]:1812", "udp://[::]:1812", "[::1]:1812"),
    ],
)
def test_listen_addresses_that_overlap_are_an_error(file, one, other, shown):
    (error,) = file.errors({"server": {"listen": [one, other]}, **sample()})
    assert (
        f"radius-voice.yaml:4: server.listen[1]: overlaps with {shown}, on the same port; remove one of the two"
        == error
    )


@pytest.mark.parametrize(
    "listen",
    [
        ["udp://0.0.0.0:1812", "udp://[::]:1812", "udp://0.0.0.0:1645"],
        ["udp://127.0.0.1:1812", "udp://127.0.0.2:1812"],
    ],
)
def test_listen_addresses_that_do_not_overlap_are_no_error(file, listen):
    assert () == file.load(changed("server.listen", listen)).warnings


def test_a_policy_that_no_client_uses_gets_a_warning(file):
    loaded = file.load(changed("policies.staff", {"countries": ["US"]}))
    (warning,) = loaded.warnings
    assert warning.startswith(f"{file.path}:")
    assert warning.endswith(": policies.staff: no client uses this policy; the clients use default")
    tree = changed("policies", {"staff": {"countries": ["US"]}})
    tree["clients"]["office-vpn"]["policy"] = "staff"
    assert () == file.load(tree).warnings, "default is not written"


GROUP_RULES = {
    "challenge": {"digits": 6, "attempts": 3},
    "countries": ["US"],
    "group_rules": [
        {"when": {"group": "contractors"}, "challenge": {"attempts": 2}},
        {"when": {"group": "admins"}, "countries": "any", "reply": [{"set": {"Class": "Admins"}}]},
    ],
}


def test_a_group_rule_has_the_rules_of_the_policy_that_it_does_not_change(file):
    policy = file.load(changed("policies.default", GROUP_RULES)).settings.policies["default"]
    contractors, admins = policy.group_rules
    assert (6, 2, frozenset({"US"})) == (
        contractors.challenge.digits,
        contractors.challenge.attempts,
        contractors.countries,
    )
    assert (3, None, ("Admins",)) == (admins.challenge.attempts, admins.countries, admins.reply[0].set["Class"])
    assert policy.rules_of({"admins", "contractors"}) is contractors
    assert policy.rules_of({"staff"}) is policy


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{when: {group: a}, first_factor: none}", "first_factor: applies before the user is known"),
        ("{when: {group: a}, on_unavailable: reject}", "on_unavailable: applies before the user is known"),
        ("{challenge: {digits: 6}}", "when: is missing; add it"),
        ("{when: {group: a}, challenge: {ring_timeout: 120s}}", "challenge.session_timeout: must be at least"),
        ("{when: {group: a}, challenge: 6}", "challenge: must be a mapping"),
        ("contractors", "must be a mapping"),
        ("{when: {group: a}, reply: [{set: {Clas: x}}]}", "reply[0].set.Clas: "),
        ("{when: {group: a}, first_phone: verified, changed_phone: alarm}", "changed_phone: would call phones that"),
        ("{when: {group: a}, first_phone: verified, changed_phone: allow}", "changed_phone: would call phones that"),
        ("{when: {group: a}, changed_phone: ask}", "changed_phone: "),
    ],
)
def test_a_wrong_group_rule_is_an_error(file, rule, expected):
    policy = {"challenge": {"session_timeout": "150s"}, "group_rules": [yaml.safe_load(rule)]}
    (error,) = file.errors(changed("policies.default", policy))
    assert "policies.default.group_rules[0]" in error
    assert expected in error


def test_a_server_key_is_not_listed_twice(file):
    tree = changed("server.key", ["k" * 32, "k" * 32])
    (error,) = file.errors(tree)
    assert "server.key[1]: is the same as the first key; write the new key first" in error
    tree["server"]["key"][1] = "short"
    (error,) = file.errors(tree)
    assert "server.key[1]: must have 32 to 64 octets and has 5" in error
