"""Writes the files of an imported configuration."""

from __future__ import annotations

from pathlib import Path

from radius_voice.config.init import TOKEN_FILE, USERS, with_system_directories, write_new_files
from radius_voice.config.secrets import PLACEHOLDER
from radius_voice.importing.plan import USERS_SOURCE, Plan
from radius_voice.importing.render import render


def write(plan: Plan, directory: Path) -> list[Path]:
    """Write configuration, secrets, and a users file if one is used; returns the files.

    Raises ConfigError as `write_new_files` does.
    """
    users = {"users.yaml": USERS} if any(entry.name == USERS_SOURCE for entry in plan.identity) else {}
    contents = {
        "radius-voice.yaml": with_system_directories(render(plan), directory),
        **users,
        **plan.secrets,
        TOKEN_FILE: PLACEHOLDER + "\n",
    }
    return write_new_files(directory, contents)
