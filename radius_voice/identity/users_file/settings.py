"""The section of an identity source of type `users_file`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from radius_voice.config.adapters import IdentitySection
from radius_voice.config.field_types import PATH


class UsersFileSettings(IdentitySection):
    """Users in a YAML file."""

    USERS_KEY: ClassVar[tuple[str, ...]] = ("path",)
    ADD_USERS: ClassVar[str] = "add users with: radius-voice users add"

    type: Literal["users_file"]
    """The type of the source."""
    path: Annotated[Path, PATH]
    """The users file, relative to this file."""

    def files(self) -> Mapping[str, Path]:
        """The users file."""
        return {"path": self.path}
