"""Runs `radius-voice import` and fills in the placeholders of the result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from radius_voice.cli.main import main
from radius_voice.wiring.adapters import load

USERS = 'alice: {phones: ["+14155550123"]}\n'
SID = "AC" + "1" * 32


def run(kind: str, text: str | bytes, folder: Path, *options: str) -> Result:
    """Import a file with that content."""
    path = folder / "source"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return CliRunner().invoke(main, ["import", kind, str(path), *options])


def written(kind: str, text: str, folder: Path) -> Path:
    """The configuration that the import of a file with that content writes."""
    done = run(kind, text, folder, "--output", str(folder / "new"))
    assert 0 == done.exit_code, done.output
    return folder / "new" / "radius-voice.yaml"


def fill_in(path: Path) -> None:
    """Replace the placeholders that every import leaves, as an administrator does."""
    text = path.read_text().replace("+15005550006", "+14155550123").replace("AC" + "0" * 32, SID)
    path.write_text(text.replace("ACME VPN", "Office VPN"))
    (path.parent / "twilio-auth-token").write_text("the token of the account\n")
    if (path.parent / "users.yaml").exists():
        (path.parent / "users.yaml").write_text(USERS)


def checked(path: Path) -> str:
    """What `check` prints for the configuration, which must be good."""
    done = CliRunner().invoke(main, ["check", "-c", str(path)])
    assert 0 == done.exit_code, done.output
    assert re.search(r": good$", done.output, re.MULTILINE)
    return done.output


def loaded(kind: str, text: str, folder: Path) -> Any:
    """The configuration of an import (`Loaded`), with the placeholders filled in."""
    path = written(kind, text, folder)
    fill_in(path)
    checked(path)
    return load(path, {})


def secret_of(configuration: Any, client: str) -> str:
    """The shared secret of a client."""
    (secret,) = configuration.settings.clients[client].secret
    return str(secret.get_secret_value())
