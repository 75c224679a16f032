"""The documentation lists the values of every profile, as the program has them, and each page's timers fit."""

import re

import pytest
import yaml

from radius_voice.config.profiles import PROFILES
from radius_voice.resources import shipped
from radius_voice.wiring.adapters import load
from tests.docs.pages import blocks, text

EXPECTED = (
    "is reserved for documentation",
    "an attacker can forge responses",
    "is still the placeholder",
    "is a test number that places no calls",
)
"""Warnings about samples, and about gateways that send no Message-Authenticator."""


def test_every_profile_is_listed_with_its_page_and_its_values():
    section = text("docs/settings.md").split("\n### Profiles\n")[1].split("\n### ")[0]
    rows = re.findall(r"^\| \[`([\w-]+)`\]\(gateways/([\w-]+)\.md\) \| (.+) \|$", section, re.MULTILINE)
    assert all(name == page for name, page, _ in rows)
    listed = {name: dict(re.findall(r"`(\w+): ([^`]+)`", values)) for name, _, values in rows}
    assert {
        name: {key: written(value) for key, value in each.keys.items()} for name, each in PROFILES.items()
    } == listed


def test_the_sample_configuration_names_every_profile():
    comment = text("config/radius-voice.yaml").split("# The kind of gateway")[1].split("# profile:")[0]
    assert [*PROFILES] == re.findall("|".join(PROFILES), comment)


@pytest.mark.parametrize("name", PROFILES)
def test_the_configuration_of_a_page_has_the_profile_and_timers_that_fit(tmp_path, monkeypatch, name):
    shown = next(each for each in blocks(f"docs/gateways/{name}.md", "yaml") if "profile: " in each)
    least = yaml.safe_load((shipped("config") / "minimal.yaml").read_text())
    rest = {key: value for key, value in least.items() if key not in yaml.safe_load(shown)}
    path = tmp_path / "radius-voice.yaml"
    path.write_text(shown + yaml.safe_dump(rest))
    for file in re.findall(r"\{?file: ([\w./-]+)", path.read_text()):
        (tmp_path / file).write_text(f"the secret of {file}, more than thirty-two octets\n")
        (tmp_path / file).chmod(0o600)
    (tmp_path / "users.yaml").touch()
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "a secret of more than thirty-two octets")
    loaded = load(path)
    assert name in [client.profile for client in loaded.settings.clients.values()]
    assert [] == [each for each in loaded.warnings if not any(text in each for text in EXPECTED)]


def written(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
