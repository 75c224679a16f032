"""The arguments that every identity source is created with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from radius_voice.events import Observer
from radius_voice.identity.passwords import Hasher
from radius_voice.messages import SHIPPED, Catalog


@dataclass(frozen=True, slots=True)
class IdentityContext:
    """`hasher` verifies passwords in threads; `warn` gets the texts of warnings for the administrator.

    `observer` gets the records of servers that a source asks. `key` is `server.key`, for values that must be equal in
    every process of the service; a command may have none. `copies` is a folder in which the workers of a service keep
    what a replacement needs, None if there is one process; it is read only `at_start` of a process. `messages` has the
    languages that users may have.
    """

    hasher: Hasher
    warn: Callable[[str], None] = lambda _: None
    observer: Observer = lambda _: None
    key: bytes | None = field(default=None, repr=False)
    copies: Path | None = None
    at_start: bool = True
    messages: Catalog = SHIPPED
