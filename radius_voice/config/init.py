"""Writes a new configuration, which loads with warnings about the values to fill in."""

from __future__ import annotations

import os
import secrets
import stat
import string
from pathlib import Path

from radius_voice.config.errors import ConfigError
from radius_voice.config.secrets import PLACEHOLDER
from radius_voice.resources import shipped

SECRET_LENGTH = 32
ALPHABET = string.ascii_letters + string.digits
"""Characters that the input fields of all gateways accept."""

SYSTEM_DIRECTORY = Path("/etc/radius-voice")
SYSTEM_LINES = {
    "  # state: state\n": "  state: /var/lib/radius-voice\n",
    "  path: audit.jsonl\n": "  path: /var/log/radius-voice/audit.jsonl\n",
    "  # keep: 365d                                  # an example; the default is to keep one file, for logrotate\n": (
        "  keep: 365d\n"
    ),
}
"""What a configuration in SYSTEM_DIRECTORY has in place of the lines of the template."""

USERS = """\
# The users who may log in. Remove the "# " before the example and edit it:
# `radius-voice hash-password` prints a password hash; phones are in quotes.
#
# alice:
#   password: $argon2id$v=19$...
#   phones: ["+14155550123", "+442079460958"]
#   language: en
#   groups: [staff]
#   disabled: false
"""


def write_configuration(directory: Path) -> list[Path]:
    """Write a commented configuration with new secrets into `directory`, created if missing; returns the files.

    If the directory has the setgid bit, its group may read the files. In SYSTEM_DIRECTORY, state and audit log have
    the directories of the Debian package. Raises ConfigError, having written nothing, when one of the files exists or
    cannot be written.
    """
    contents = {
        "radius-voice.yaml": _configuration(directory),
        "users.yaml": USERS,
        "office-vpn.secret": _secret() + "\n",
        "this-machine.secret": _secret() + "\n",
        "twilio-auth-token": PLACEHOLDER + "\n",
    }
    files = {directory / name: content for name, content in contents.items()}
    existing = [path for path in files if path.exists() or path.is_symlink()]
    if existing:
        raise ConfigError(
            f"{path}: exists and is not overwritten; remove it or choose another folder" for path in existing
        )
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        mode = 0o640 if directory.stat().st_mode & stat.S_ISGID else 0o600
        for path, content in files.items():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(descriptor, mode)
                file.write(content)
    except OSError as error:
        raise ConfigError([f"{error.filename or directory}: cannot be written: {error.strerror}"]) from None
    return list(files)


def _configuration(directory: Path) -> str:
    text = (shipped("config") / "radius-voice.yaml").read_text(encoding="utf-8")
    if directory.absolute() == SYSTEM_DIRECTORY:
        for line, replacement in SYSTEM_LINES.items():
            text = text.replace(line, replacement)
    return text


def _secret() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
