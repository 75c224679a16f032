"""What operations for administrators use; `operations` performs them."""

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

    def record_change(self, event: str, source: str, user: User, arguments: Mapping[str, Any], detail: str = "") -> str:
        """Record that an operator changed something about a user; returns the reason if it cannot be recorded.

        `by` of the arguments of the request names the operator, if it is given.
        """
        by = str(arguments.get("by", ""))
        return self.record(OperatorRecord(time.time(), event, user.name, source, self.uid, by, detail))
