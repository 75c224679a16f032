"""Any file is loaded or raises ConfigError with the errors. It raises no other exception."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radius_voice.config.errors import ConfigError
from radius_voice.resources import shipped
from radius_voice.wiring.adapters import load
from tests.config.conftest import NOW, SECRETS, sample

SAMPLE_TEXT = (shipped("config") / "demo.yaml").read_text(encoding="utf-8")
WORDS = [
    "10.0.0.1/8",
    "2m",
    "yes",
    "off",
    "+14155550123",
    "99999999999s",
    "~",
    "\0",
    "\ud800",
    "\u0661",
    "a: b",
    "[",
    "{",
]
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(WORDS))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
MODERATE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loads_or_says_why(path: Path, octets: bytes) -> str:
    path.write_bytes(octets)
    path.chmod(0o600)
    try:
        return repr(load(path, {}, lambda: NOW))
    except ConfigError as error:
        message = str(error)
    assert message
    assert all(line.startswith(f"{path}:") for line in message.splitlines())
    return message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "users.yaml").touch(0o600)
    return tmp_path / "radius-voice.yaml"


@MODERATE
@given(octets=st.binary(max_size=200))
def test_arbitrary_octets(path: Path, octets: bytes):
    loads_or_says_why(path, octets)


@MODERATE
@given(text=st.text(max_size=200))
def test_arbitrary_text(path: Path, text: str):
    loads_or_says_why(path, text.encode("utf-8", "replace"))


@MODERATE
@given(at=st.integers(0, len(SAMPLE_TEXT)), cut=st.integers(0, 30), text=st.text(max_size=10))
def test_a_sample_with_a_piece_replaced_by_another(path: Path, at: int, cut: int, text: str):
    loads_or_says_why(path, (SAMPLE_TEXT[:at] + text + SAMPLE_TEXT[at + cut :]).encode("utf-8", "replace"))


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = (
        [place for key, value in tree.items() for place in places(value, (*path, key))]
        if isinstance(tree, dict)
        else []
    )
    return [path, *below] if path else below


FULL = {
    **sample(),
    "server": {"listen": ["udp://127.0.0.1:1812"], "key": SECRETS[0], "state": "state", "reject_delay": "1s"},
    "policies": {
        "default": {
            "challenge": {"digits": 6, "ring_timeout": "30s"},
            "countries": ["US"],
            "on_delivery_failure": {"bypass_until": "2027-01-15T08:30:00Z"},
            "reply": [{"when": {"group": "a"}, "set": {"Class": "b"}}],
        }
    },
    "limits": {"calls": {"user": "5 per 10m"}, "calls_per_day": {"total": "off"}},
    "store": {"type": "memory"},
    "audit": {"path": "-"},
    "admin": {"listen": "127.0.0.1:9812"},
    "log": {"level": "info"},
}


@MODERATE
@given(place=st.sampled_from(places(FULL)), value=VALUES)
def test_a_configuration_with_any_value_at_any_place(path: Path, place: tuple[Any, ...], value: Any):
    tree = copy.deepcopy(FULL)
    node = tree
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value
    message = loads_or_says_why(path, yaml.safe_dump(tree, allow_unicode=False).encode("utf-8", "replace"))
    assert not any(secret in message for secret in SECRETS)


def test_the_base_configuration_of_these_tests_is_valid(path: Path):
    assert "Loaded" in loads_or_says_why(path, yaml.safe_dump(FULL).encode())
