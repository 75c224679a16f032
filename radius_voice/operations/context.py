"""The settings, store and identity sources that an operation works on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from radius_voice.config.schema import Settings
from radius_voice.events import EventRecord, OperatorRecord
from radius_voice.login.codes.keys import Keys
from radius_voice.login.model import User
from radius_voice.login.ports import IdentitySource, Store

DIRECTORY_SECONDS = 5.0
"""How long an operation waits for a directory."""


@dataclass(frozen=True, slots=True)
class OperationContext:
    """The settings, store and identity sources of one operation.

    `identity` has the identity sources by name, in the order of the configuration. `record` writes to the audit log; it
    returns an empty string, or why it cannot write. `uid` is the user id of the requesting process, None if unknown.
    """

    settings: Settings
    store: Store
    keys: Callable[[], Keys]
    identity: Mapping[str, IdentitySource]
    record: Callable[[EventRecord], str]
    uid: int | None

    def record_change(self, event: str, source: str, user: User, arguments: Mapping[str, Any], detail: str = "") -> str:
        """Write to the audit log what an operator changed about a user; returns an empty string, or why it cannot.

        `arguments` are those of the request; `by` names the operator.
        """
        by = str(arguments.get("by", ""))
        return self.record(OperatorRecord(time.time(), event, user.name, source, self.uid, by, detail))
