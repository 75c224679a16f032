from __future__ import annotations

import json
import os

import pytest
import yaml

from radius_voice.config.errors import ConfigError
from radius_voice.config.secrets import SecretUnavailable, unavailable_in
from radius_voice.delivery.twilio_voice.settings import TwilioVoiceSettings
from radius_voice.files.reading import read_file
from radius_voice.wiring.adapters import load, provider_of
from tests.config.conftest import SECRETS, changed, sample


def secret_of(loaded):
    return loaded.settings.clients["office-vpn"].secret[0].get_secret_value()


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_newline_at_the_end_of_a_secret_file_is_removed(file, write, ending):
    write("gateway", "a secret of a file").write_bytes(f"a secret of a file{ending}".encode())
    assert "a secret of a file" == secret_of(file.load(changed("clients.office-vpn.secret", {"file": "gateway"})))


ENDS = "begins or ends with a space, tab or line break"
INSIDE = "holds a line break or an invisible character"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfa secret of a file\n", "begins with a byte order mark; save it as UTF-8 without one"),
        (b"a secret of a file \n", ENDS),
        (b"a secret of a file\t", ENDS),
        (b"a secret of a file\r", ENDS),
        (b"a secret of a file\r\r\n", ENDS),
        (b"a secret of a file\n\n", ENDS),
        (b"a secret of a file\xc2\xa0\n", ENDS),
        (b" a secret of a file\n", ENDS),
        (b"\na secret of a file\n", ENDS),
        (b"a secret\nof a file\n", INSIDE),
        (b"a secret\xe2\x80\x8bof a file\n", INSIDE),
        (b"a secret\0of a file\n", INSIDE),
    ],
)
@pytest.mark.parametrize("source", ["file", "credential"])
def test_a_secret_file_with_invisible_characters_is_refused(file, write, tmp_path, content, expected, source):
    write("gateway", "").write_bytes(content)
    file.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    (error,) = file.errors(changed("clients.office-vpn.secret", {source: "gateway"}))
    assert f"clients.office-vpn.secret: gateway {expected}" in error
    assert "of a file" not in error


def test_a_variable_or_a_text_with_a_line_break_is_refused_too(file):
    file.environ["GATEWAY"] = "a secret of the environment\n"
    (error,) = file.errors(changed("clients.office-vpn.secret", {"env": "GATEWAY"}))
    assert f"the environment variable GATEWAY {ENDS}" in error
    (error,) = file.errors(changed("clients.office-vpn.secret", "a secret of a block\n"))
    assert "holds a line break" in error


def test_a_secret_comes_from_the_environment(file):
    file.environ["GATEWAY"] = "a secret of the environment"
    assert "a secret of the environment" == secret_of(
        file.load(changed("clients.office-vpn.secret", {"env": "GATEWAY"}))
    )


def test_a_secret_comes_from_systemd(file, write, tmp_path):
    write("gateway", "a secret of a credential\n", 0o440)
    file.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert "a secret of a credential" == secret_of(
        file.load(changed("clients.office-vpn.secret", {"credential": "gateway"}))
    )


def test_two_secrets_may_be_configured_during_a_change(file):
    secrets = file.load(changed("clients.office-vpn.secret", ["the old gateway secret", "the new gateway secret"]))
    assert 2 == len(secrets.settings.clients["office-vpn"].secret)


def test_a_secret_file_readable_by_others_is_refused_with_mode_owner_and_fix(file, write):
    write("gateway", "a secret of a file", 0o644)
    (error,) = file.errors(changed("clients.office-vpn.secret", {"file": "gateway"}))
    assert "clients.office-vpn.secret: gateway is open to every user (mode 0644, owner " in error
    assert "run: chmod o-rwx gateway" in error


def test_a_file_readable_by_its_group_is_accepted(file, write):
    write("gateway", "a secret of a file", 0o640)
    assert "a secret of a file" == secret_of(file.load(changed("clients.office-vpn.secret", {"file": "gateway"})))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"file": "missing"}, "cannot be read: No such file"),
        ({"file": "."}, "cannot be read: a directory, not a regular file"),
        ({"file": "pipe"}, "cannot be read: a FIFO, not a regular file"),
        ({"file": "empty"}, "is empty"),
        ({"file": "latin1"}, "is not UTF-8"),
        ({"file": "huge"}, "is larger than"),
        ({"file": 5}, "in quotes"),
        ({"file": "a\0b"}, "not a path"),
        ({"env": "NOT_THERE"}, "NOT_THERE is not set"),
        ({"env": "not a name!"}, "not the name"),
        ({"credential": "gateway"}, "LoadCredential"),
        ({"credential": "../gateway"}, "not the name"),
        ({"file": "a", "env": "B"}, "must have one key"),
        ({}, "must have one key"),
        ("", "is empty"),
        (True, "in quotes"),
    ],
)
def test_an_unavailable_secret_is_reported_with_its_cause(file, tmp_path, source, expected):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, content in (("empty", b"\n"), ("latin1", b"\xe9"), ("huge", b"x" * 70_000)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    (error,) = file.errors(changed("clients.office-vpn.secret", source))
    assert expected in error


@pytest.mark.parametrize("mode", [0o644, 0o604])
def test_a_configuration_with_a_secret_that_others_can_read_is_refused(file, mode):
    file.load(sample())
    file.path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        load(file.path, {})
    (error,) = caught.value.errors
    assert f"{file.path}: is readable by other users (mode {mode:04o}, owner " in error
    assert f"run: chmod o-r {file.path}, or move the secret to a separate file" in error


@pytest.mark.parametrize("mode", [0o602, 0o646])
@pytest.mark.parametrize("development", [True, False])
def test_a_configuration_that_others_can_write_is_refused_with_all_other_errors(file, mode, development):
    file.load(changed("development", development))
    file.path.write_text(file.path.read_text() + "audit: 5\n")
    file.path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        load(file.path, {})
    assert f"run: chmod o-w {file.path}" in caught.value.errors[0]
    assert any("audit: must be a mapping" in error for error in caught.value.errors)


def test_the_sample_files_of_a_development_configuration_may_be_readable_by_others(file):
    """config/demo.yaml is installed readable by all users, including its sample secrets."""
    file.load(changed("development", True))
    file.path.chmod(0o644)
    assert load(file.path, {}).settings.development


UNAVAILABLE = [({"env": "NOT_HERE"}, "env"), ({"credential": "not-here"}, "credential"), ({"file": "closed"}, "file")]


@pytest.mark.parametrize(("secret", "source"), UNAVAILABLE)
@pytest.mark.parametrize(
    "key", ["clients.office-vpn.secret", "delivery.providers.twilio.auth_token", "server.key", "store.password"]
)
def test_a_command_loads_without_secrets_that_only_the_service_can_read(file, write, monkeypatch, key, secret, source):
    closed(monkeypatch, write("closed", "a secret of the service"))
    tree = changed(key, secret)
    if key == "store.password":
        tree["store"] |= {"type": "redis", "servers": ["127.0.0.1:6379"]}
        tree["server"] = {"key": "a server key of thirty-two octets"}
    (error,) = file.errors(tree)
    assert f": {key}: " in error
    loaded = load(file.path, file.environ, for_service=False)
    ((found, reason),) = unavailable_in(loaded.settings)
    assert (key, source) == (found, reason.source)
    assert str(reason).replace(f"{file.path.parent}{os.sep}", "") in error
    assert not [warning for warning in loaded.warnings if key in warning]


def closed(monkeypatch, path):
    """Simulates a user without read access to that file; root can read any file."""

    def read(file, *arguments):
        if file == path:
            raise PermissionError(13, "Permission denied", str(file))
        return read_file(file, *arguments)

    monkeypatch.setattr("radius_voice.config.secrets.read_file", read)


@pytest.mark.parametrize(("secret", "source"), UNAVAILABLE)
def test_a_missing_secret_is_never_read_as_an_empty_one(file, write, monkeypatch, secret, source):
    closed(monkeypatch, write("closed", "a secret of the service"))
    file.path.write_text(yaml.safe_dump(changed("delivery.providers.twilio.auth_token", secret)))
    file.path.chmod(0o600)
    provider = load(file.path, {}, for_service=False).settings.delivery.providers["twilio"]
    assert isinstance(provider, TwilioVoiceSettings)
    assert provider.auth_token
    with pytest.raises(SecretUnavailable):
        provider.auth_token.get_secret_value()
    with pytest.raises(ValueError, match=r"delivery\.providers\.twilio\.auth_token: "):
        provider_of("twilio", provider)


def test_a_missing_one_of_two_secrets_is_reported_by_its_index(file):
    file.path.write_text(yaml.safe_dump(changed("clients.office-vpn.secret", [SECRETS[0], {"env": "NOT_HERE"}])))
    file.path.chmod(0o600)
    ((key, _),) = unavailable_in(load(file.path, {}, for_service=False).settings)
    assert "clients.office-vpn.secret[1]" == key


def test_a_missing_secret_file_is_an_error_for_commands_too(file):
    file.path.write_text(yaml.safe_dump(changed("clients.office-vpn.secret", {"file": "missing"})))
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(file.path, {}, for_service=False)


@pytest.mark.parametrize(
    "written", ["${OFFICE_VPN_SECRET}", "$OFFICE_VPN_SECRET", "%OFFICE_VPN_SECRET%", "{{ vpn_secret }}"]
)
@pytest.mark.parametrize("key", ["clients.office-vpn.secret", "delivery.providers.twilio.auth_token"])
def test_a_secret_that_is_the_text_of_a_variable_gets_a_warning(file, key, written):
    (warning,) = file.load(changed(key, written)).warnings
    assert f"{key}: is the text of a variable, which is not expanded here; write {{env: NAME}}" in warning
    assert "VPN" not in warning.upper().replace("OFFICE-VPN", "").partition("yaml:")[2]


def test_a_secret_that_is_the_name_of_a_file_gets_a_warning(file, write, tmp_path):
    path = write("office-vpn-gateway.secret", "x")
    for name in ("office-vpn-gateway.secret", "./office-vpn-gateway.secret", str(path)):
        (warning,) = file.load(changed("clients.office-vpn.secret", name)).warnings
        assert "clients.office-vpn.secret: is the name of a file; write {file: NAME} if the secret is in it" in warning
        assert "gateway.secret" not in warning


def test_a_secret_that_two_gateways_share_gets_a_warning(file, write):
    write("gateway", SECRETS[0])
    tree = sample()
    tree["clients"]["branch"] = {"address": "10.0.0.2", "secret": ["another secret of the tests", {"file": "gateway"}]}
    (warning,) = file.load(tree).warnings
    assert (
        "clients.branch.secret[1]: is the same as clients.office-vpn.secret; give each gateway a different" in warning
    )


def test_a_secret_that_is_listed_twice_gets_a_warning(file):
    (warning,) = file.load(changed("clients.office-vpn.secret", [SECRETS[0], SECRETS[0]])).warnings
    assert "clients.office-vpn.secret[1]: is listed twice; write the old and the new secret, or only one" in warning


@pytest.mark.parametrize(
    "secret", ["x" * 5000, "a secret with a \0 in it", ".", "/", "$ecret-of-the-gateway", "100%sure%of%this%one"]
)
def test_any_other_secret_gets_no_warning(file, secret):
    assert () == file.load(changed("delivery.providers.twilio.auth_token", secret)).warnings


@pytest.mark.parametrize("secret", SECRETS)
def test_no_repr_shows_a_secret(file, secret):
    loaded = file.load(sample())
    for shown in (repr(loaded), str(loaded.settings), loaded.settings.model_dump_json(exclude={"clients"})):
        assert secret not in shown


@pytest.mark.parametrize(
    "written",
    [
        "hunter2-hunter2\n  oops: 1",
        "{hunter2-hunter2}",
        "{hunter2-hunter2: x}",
        "[hunter2-hunter2, b, c]",
        "[[hunter2-hunter2]]",
        "{file: {hunter2-hunter2: 1}}",
        "{env: 'hunter2-hunter2!'}",
        "!hunter2-hunter2",
        "!!hunter2-hunter2 x",
        "&hunter2-hunter2",
        "*hunter2-hunter2",
        "@hunter2-hunter2",
        "`hunter2-hunter2",
        "%hunter2-hunter2",
        "'hunter2-hunter2",
        '"hunter2-hunter2 \\q"',
        "a, hunter2-hunter2",
        "a: hunter2-hunter2",
        "|x hunter2-hunter2",
        "\thunter2-hunter2",
        "hunter2-hunter2\n  secret: hunter2-hunter2",
    ],
)
def test_no_error_shows_the_value_of_a_secret(file, written):
    block = f"clients:\n  office:\n    address: 10.0.0.1\n    secret: {written}\n"
    flow = f"clients:\n  office: {{address: 10.0.0.1, secret: {written}}}\n"
    for text in (block, flow, f"server:\n  key: {written}\n"):
        assert "hunter2" not in "\n".join(file.errors(text))


@pytest.mark.parametrize("written", ["secret:hunter2", "secret hunter2", "secret: hu,nter2"])
def test_a_secret_that_yaml_reads_as_a_key_is_not_shown(file, written):
    errors = "\n".join(file.errors(f"clients:\n  office: {{address: 10.0.0.1, {written}}}\n"))
    assert "nter2" not in errors
    assert "write KEY: VALUE with a space after the colon" in errors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "OFFICE_VPN_SECRET=a-secret-of-24-characters",
            "holds the name of a variable (NAME=value) as part of the secret",
        ),
        (
            "export SECRET='a-secret-of-24-characters'",
            "holds the name of a variable (NAME=value) as part of the secret",
        ),
        ('"a-secret-of-24-characters"', "holds quotes as part of the secret; remove them"),
        ("'a-secret-of-24-characters'", "holds quotes as part of the secret; remove them"),
        ("QUJDREVGR0hJSktMTU5PUFFSU1RVVg==", None),
        ("isn't-a-quoted-secret'", None),
    ],
)
@pytest.mark.parametrize("source", ["file", "env"])
def test_a_name_or_quotes_around_a_secret_get_a_warning(file, write, source, text, expected):
    write("office", text + "\n")
    file.environ["OFFICE"] = text
    loaded = file.load(changed("clients.office-vpn.secret", {source: "office" if source == "file" else "OFFICE"}))
    assert [True] * (expected is not None) == [
        f"clients.office-vpn.secret: {expected}" in each for each in loaded.warnings
    ]
    assert "a-secret" not in str(loaded.warnings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clients:\n  office:\n    secret hunter2: x\n", "3: clients.office.(a key): no colon after 'secret'"),
        ("clients:\n  office:\n    secret-hunter2: x\n", "3: clients.office.(a key): unknown key; did you mean"),
        ("clients:\n  office: {secret: 'x', hunter2: x}\n", "2: clients.office.(a key): unknown key; known here are"),
        ("clients:\n  office:\n    secret: {hunter2 x: y}\n", "3: clients.office.secret"),
        ("clients:\n  secret hunter2: {}\n", "2: clients.(a key): not a valid name"),
        ("clients:\n  hunter2!: {}\n", "2: clients.(a key): not a valid name"),
        ("clients:\n  secret hunter2: {policy: x}\n", "2: clients.(a key): not a valid name"),
        ("clients:\n  hunter2!: {x: y}\n", "2: clients.(a key): not a valid name"),
        ("clients:\n  office: {hunter2!: {policy: x}}\n", "2: clients.office.(a key): unknown key"),
        (
            "clients:\n  ? hunter2 hunter2 hunter2 hunter2 hunter2 hunter2 hunter2 hunter2 hunter2\n  : {policy: x}\n",
            "2: clients.(a key)",
        ),
        ("clients:\n  office:\n    hunter2: x\n    hunter2: y\n", "4: a key is listed twice, first in line 3"),
        ("secret hunter2: x\nsecret hunter2: y\n", "2: a key is listed twice, first in line 1"),
    ],
)
def test_a_key_that_may_be_part_of_a_secret_is_reported_by_its_line(file, text, expected):
    errors = "\n".join(file.errors(text))
    assert "hunter2" not in errors
    assert f"radius-voice.yaml:{expected}" in errors, errors


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Büro 1", "'B\\xfcro 1'"), ("head\x1b[2J", "'head\\x1b[2J'"), ("Office", "Office"), ("hq/vpn", "'hq/vpn'")],
)
def test_an_invalid_name_of_a_section_is_shown_in_its_errors(file, name, shown):
    text = f"clients:\n  {json.dumps(name)}: {{address: 192.0.2.10, secert: x}}\n"
    errors = "\n".join(file.errors(text))
    assert f"radius-voice.yaml:2: clients.{shown}: not a valid name" in errors
    assert f"radius-voice.yaml:2: clients.{shown}.secert: unknown key; did you mean secret?" in errors
