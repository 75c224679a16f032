"""What the logins of one generation of the configuration work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from radius_voice.events import Lifecycle, Observer
from radius_voice.login.codes import Keys, new_code
from radius_voice.login.limits import Limits
from radius_voice.login.policy import Policy
from radius_voice.login.ports import Delivery, LiveCalls, Store


@dataclass(frozen=True, slots=True)
class Parts:
    """Keys, store, rules and providers. `now` is wall clock, `clock` monotonic; `voice` is in order of failover."""

    keys: Keys
    store: Store
    limits: Limits
    policies: Mapping[str, Policy]
    voice: Mapping[str, Delivery]
    live: Mapping[str, LiveCalls]
    friendly_name: str
    observer: Observer
    now: Callable[[], float]
    clock: Callable[[], float]
    new_code: Callable[[int], str] = field(default=new_code)

    def warn(self, detail: str) -> None:
        """Report something that an administrator should know."""
        self.observer(Lifecycle(self.now(), "warning", detail))
