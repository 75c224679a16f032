"""Samples, schema and documentation agree with the program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import argon2
import jsonschema
import pytest

from radius_voice.config import strict_yaml
from radius_voice.config.errors import nodes_at
from radius_voice.config.schema import UserRulesSettings, json_schema, settings_type
from radius_voice.delivery.twilio_voice.settings import TwilioVoiceSettings
from radius_voice.resources import shipped
from radius_voice.wiring.adapters import ADAPTERS, load

ROOT = Path(__file__).parents[2]
CONFIG = shipped("config")
SAMPLES = ("radius-voice.yaml", "minimal.yaml", "demo.yaml")
SOURCES = ("file", "env", "credential")
SCHEMA = json_schema(settings_type(ADAPTERS.sections))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def settings_of(
    schema: Mapping[str, Any], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every setting: its name in the documentation, its JSON Schema, whether it is required. Only leaves."""
    for node in nodes_at(schema, path):
        for key, child in node.get("properties", {}).items():
            here = (*path, key)
            if key in SOURCES or ("group_rules" in path and key in UserRulesSettings.model_fields):
                continue  # the rules of a group are those of its policy
            below = list(settings_of(schema, here))
            if not below or child.get("default") is not None:
                yield documented(here), child, key in node.get("required", ())
            yield from below
        if "patternProperties" in node and path[-1] != "set":
            yield from settings_of(schema, (*path, "name"))
        if "items" in node:
            yield from settings_of(schema, (*path, 0))


def documented(path: tuple[str | int, ...]) -> str:
    return ".".join("NAME" if step == "name" else step for step in path if isinstance(step, str))


SETTINGS = {name: (node, required) for name, node, required in settings_of(SCHEMA)}


def rows() -> dict[str, tuple[str, str, str]]:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    return {
        key: (kind, default, meaning)
        for key, kind, default, meaning in re.findall(
            r"^\| `([a-zA-Z_.]+)` \| (.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE
        )
    }


def test_the_walk_finds_settings():
    assert {
        "clients.NAME.secret",
        "policies.NAME.reply.set",
        "limits.calls.total",
        "delivery.providers.NAME.code",
    } < set(SETTINGS)
    assert 65 < len(SETTINGS)


def test_the_documentation_has_every_setting_and_no_other():
    assert set(SETTINGS) == set(rows())


@pytest.mark.parametrize("name", SETTINGS)
def test_the_documented_defaults_are_the_real_ones(name):
    node, required = SETTINGS[name]
    default = rows()[name][1]
    if required:
        assert "required" == default
    elif node.get("default") is None:
        assert not default.startswith("`")
        assert "required" != default
    else:
        value, _ = strict_yaml.load(default.strip("`"), "docs")
        assert node["default"] == value


def test_the_complete_sample_has_every_key():
    text = (CONFIG / "radius-voice.yaml").read_text(encoding="utf-8")
    assert [] == [name for name in SETTINGS if not re.search(rf"\b{name.rpartition('.')[2]}: ", text)]


def test_the_complete_sample_equals_the_defaults(tmp_path):
    text = (CONFIG / "radius-voice.yaml").read_text(encoding="utf-8")
    keys = "|".join({name.rpartition(".")[2] for name in SETTINGS})
    full, count = re.subn(rf"^( *)# (({keys}): (?!.*example).+)$", r"\1\2", text, flags=re.MULTILINE)
    for name in ("office-vpn.secret", "this-machine.secret", "twilio-auth-token"):
        (tmp_path / name).write_text("x" * 20)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "users.yaml").touch()
    (tmp_path / "short.yaml").write_text(text)
    (tmp_path / "full.yaml").write_text(full)
    assert 20 < count
    assert load(tmp_path / "short.yaml", {}).settings == load(tmp_path / "full.yaml", {}).settings


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_valid_for_editors(name):
    tree, _ = strict_yaml.load((CONFIG / name).read_text(encoding="utf-8"), name)
    VALIDATOR.validate(tree)


@pytest.mark.parametrize("wrong", [{"clents": {}}, {"server": {"reject_delay": 3}}, {"server": {"key": {"fil": "x"}}}])
def test_editors_mark_errors(wrong):
    tree, _ = strict_yaml.load((CONFIG / "minimal.yaml").read_text(encoding="utf-8"), "minimal")
    assert isinstance(tree, dict)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**tree, **wrong})


def test_the_shipped_schema_is_current():
    shipped_schema = json.loads((CONFIG / "schema.json").read_text(encoding="utf-8"))
    assert SCHEMA == shipped_schema, "run: python -m radius_voice.config > config/schema.json"


def test_the_minimal_configuration_has_at_most_15_lines_and_loads():
    path = CONFIG / "minimal.yaml"
    assert 15 >= len(path.read_text(encoding="utf-8").splitlines())
    environ = {"OFFICE_VPN_SECRET": "a secret of the office vpn", "TWILIO_AUTH_TOKEN": "token"}
    assert "office-vpn" in load(path, environ).settings.clients


def test_the_demo_loads_without_a_warning_and_stays_on_loopback():
    loaded = load(CONFIG / "demo.yaml", {})
    assert () == loaded.warnings
    assert all(network.is_loopback for client in loaded.settings.clients.values() for network in client.address)
    provider = loaded.settings.delivery.providers["simulated-twilio"]
    assert isinstance(provider, TwilioVoiceSettings)
    assert "http://127.0.0.1:4010" == provider.base_url


def test_the_sample_user_has_the_documented_password():
    tree, _ = strict_yaml.load((CONFIG / "users.yaml").read_text(encoding="utf-8"), "users")
    assert isinstance(tree, dict)
    alice = tree["alice"]
    assert isinstance(alice, dict)
    assert argon2.PasswordHasher().verify(str(alice["password"]), "correct horse")
    assert ["+14155550123", "+442079460958"] == alice["phones"]
