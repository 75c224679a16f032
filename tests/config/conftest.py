from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from radius_voice.config.errors import ConfigError
from radius_voice.config.load import Loaded
from radius_voice.wiring.adapters import load

NOW = 1_800_000_000.0
SECRETS = ("gateway-secret-of-32-characters!", "twilio-token-that-stays-secret")


def sample() -> dict[str, Any]:
    """A small file that is right and gets no warning."""
    return {
        "clients": {"office-vpn": {"address": "10.0.0.1", "secret": SECRETS[0]}},
        "identity": {"people": {"type": "users_file", "path": "users.yaml"}},
        "delivery": {
            "friendly_name": "ACME VPN",
            "providers": {
                "twilio": {
                    "type": "twilio-voice",
                    "account_sid": "AC" + "1" * 32,
                    "auth_token": SECRETS[1],
                    "from": "+14155550123",
                }
            },
        },
    }


def changed(key: str, value: Any) -> dict[str, Any]:
    """The sample with one value put at a dotted key."""
    tree = sample()
    node = tree
    *above, last = key.split(".")
    for step in above:
        node = node.setdefault(step, {})
    node[last] = value
    return tree


class File:
    """A configuration file that is written and loaded."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "radius-voice.yaml"
        self.users = directory / "users.yaml"
        self.users.touch(0o600)
        self.environ: dict[str, str] = {}

    def load(self, content: Any) -> Loaded:
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        octets = content if isinstance(content, bytes) else text.encode()
        self.path.write_bytes(octets)
        self.path.chmod(0o600)
        return load(self.path, self.environ, lambda: NOW)

    def errors(self, content: Any) -> list[str]:
        """The errors, without the directory of the file."""
        with pytest.raises(ConfigError) as caught:
            self.load(content)
        return [line.replace(f"{self.path.parent}{os.sep}", "") for line in str(caught.value).splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


Write = Callable[[str, str, int], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, text: str, mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return written
