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
    """The arguments that every identity source is created with."""

    hasher: Hasher  # verifies passwords in threads
    warn: Callable[[str], None] = lambda _: None  # called with warnings for the administrator
    observer: Observer = lambda _: None  # called with records about the servers of a source
    key: bytes | None = field(default=None, repr=False)  # the data key, equal in all processes; None in some commands
    copies: Path | None = None  # folder for copies that replacement workers need; None: the service has one process
    at_start: bool = True  # the process is starting; only then copies are read
    messages: Catalog = SHIPPED  # has the languages that users may have
