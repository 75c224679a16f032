"""What operations for administrators use; `operations` performs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from radius_voice.config.schema import Settings
from radius_voice.events import EventRecord
from radius_voice.login.codes import Keys
from radius_voice.login.ports import IdentitySource, Store

DIRECTORY_SECONDS = 5.0
"""How long an operation waits for a directory."""


@dataclass(frozen=True, slots=True)
class OperationContext:
    """What operations use.

    `identity` are the identity sources by name, in the order of the configuration. `record` writes to the audit log and
    returns the reason if it cannot. `uid` is the user id of the requesting process, None if it is unknown.
    """

    settings: Settings
    store: Store
    keys: Callable[[], Keys]
    identity: Mapping[str, IdentitySource]
    record: Callable[[EventRecord], str]
    uid: int | None
