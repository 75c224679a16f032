from __future__ import annotations

import json
import re
import stat
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.config.errors import ConfigError
from radius_voice.config.init import _PROFILE_LINES, Answers, write_configuration
from radius_voice.config.profiles import PROFILES
from radius_voice.resources import documentation, shipped
from radius_voice.wiring.adapters import load

ROOT = Path(__file__).parents[2]


def test_the_file_that_init_writes_loads_and_says_what_to_fill_in(tmp_path):
    path, *_ = write_configuration(tmp_path / "new" / "folder")
    warnings = "\n".join(load(path, {}).warnings)
    for key in ("office-vpn.address", "twilio.account_sid", "twilio.auth_token", "twilio.from"):
        assert f"{key}: " in warnings


def test_a_filled_in_configuration_gets_no_warning(tmp_path):
    path, *_, token = write_configuration(tmp_path)
    text = path.read_text().replace("192.0.2.10", "10.0.0.1").replace("+15005550006", "+14155550123")
    path.write_text(text.replace("AC" + "0" * 32, "AC" + "1" * 32))
    token.write_text("the token of the account\n")
    assert () == load(path, {}).warnings


def test_each_configuration_has_its_own_secret(tmp_path):
    secrets = set()
    for name in ("one", "two"):
        path, *_ = write_configuration(tmp_path / name)
        (secret,) = load(path, {}).settings.clients["office-vpn"].secret
        assert 32 == len(secret.get_secret_value())
        secrets.add(secret.get_secret_value())
    assert 2 == len(secrets)


def test_no_other_user_can_read_what_init_writes(tmp_path):
    for path in write_configuration(tmp_path):
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_the_group_of_a_directory_with_the_setgid_bit_can_read_what_init_writes(tmp_path):
    tmp_path.chmod(0o2750)
    for path in write_configuration(tmp_path):
        assert 0o640 == stat.S_IMODE(path.stat().st_mode)


def test_a_configuration_of_the_debian_package_uses_the_directories_of_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr("radius_voice.config.init.SYSTEM_DIRECTORY", tmp_path)
    path, *_ = write_configuration(tmp_path)
    settings = load(path, {}).settings
    assert Path("/var/lib/radius-voice") == settings.server.state
    assert Path("/var/log/radius-voice/audit.jsonl") == settings.audit.path
    assert 365 * 86400 == settings.audit.keep


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "users.yaml").write_text("mine: 1\n")
    with pytest.raises(ConfigError, match=r"users\.yaml: exists and is not overwritten"):
        write_configuration(tmp_path)
    assert ["users.yaml"] == [path.name for path in tmp_path.iterdir()]


def test_a_directory_that_cannot_be_created_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_configuration(tmp_path / "file")


def test_every_page_that_the_configuration_names_is_installed_in_the_folder_that_help_names(tmp_path):
    named = {
        page for path in write_configuration(tmp_path) for page in re.findall(r"docs/[\w-]+\.md", path.read_text())
    }
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    help_text = CliRunner().invoke(main, ["--help"]).stdout

    assert "docs/settings.md" in named
    assert [] == [page for page in named if not (shipped("docs") / page.removeprefix("docs/")).is_file()]
    assert "radius_voice/data/docs" == included["force-include"]["docs"]
    assert help_text.endswith(f"Documentation: {documentation()}\n")


ABOUT_PLACEHOLDERS = re.compile(r": (is reserved for documentation|is still the placeholder|is a test number)")
INHERENT = {
    "openvpn": [
        "require_message_authenticator: with no, an attacker can forge responses to this client (CVE-2024-3596); protect"
    ],
    "rd-gateway": ["policy rd-gateway: first_factor is none, so this server places calls without checking a password"],
}
"""Warnings about the kind of gateway itself."""


@pytest.mark.parametrize("kind", ["", *sorted(PROFILES)])
def test_the_configuration_for_each_kind_of_gateway_has_only_warnings_about_placeholders(tmp_path, kind):
    path, *_ = write_configuration(tmp_path, Answers(profile=kind))
    checked = CliRunner().invoke(main, ["check", "--config", str(path), "--json"])
    found = json.loads(checked.stdout)
    inherent = INHERENT.get(kind, [])
    warnings = [text for text in found["warnings"] if not ABOUT_PLACEHOLDERS.search(text)]
    assert (0, []) == (checked.exit_code, found["errors"])
    assert "holds no user" in warnings.pop()
    assert [True] * len(inherent) == [part in text for part, text in zip(inherent, warnings, strict=True)]


def test_the_sample_has_each_line_that_a_kind_of_gateway_replaces_once():
    text = (shipped("config") / "radius-voice.yaml").read_text()
    for lines in _PROFILE_LINES.values():
        assert dict.fromkeys(lines, 1) == {
            line: len(re.findall(f"^{re.escape(line)}", text, re.MULTILINE)) for line in lines
        }
