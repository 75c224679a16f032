"""Every seam of the house, on one screen.

Deadlines are monotonic seconds; what is stored is wall clock. `Unavailable` is raised when a part
is out of reach; everything else is returned because it is expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from radius_voice.login.model import (
    CallRef,
    CallStatus,
    Claim,
    Denied,
    Limited,
    Login,
    LoginKey,
    NotPlaced,
    Order,
    Passed,
    Placed,
    Record,
    Recorded,
    RefusedNumber,
    Spend,
    Swap,
    Unknown,
    User,
)


class FirstFactor(Protocol):
    """Checks passwords. Takes as long for a name that nobody has as for a wrong password.

    Raises Unavailable if the verification did not begin before `deadline` or could not be made. Once begun it returns
    its result, also after `deadline`.
    """

    async def verify(self, claim: Claim, deadline: float) -> Passed | Denied: ...


class Directory(Protocol):
    """Knows people and their phones. `find` takes a name as typed, `get` the stable `id` of a user found before."""

    async def find(self, name: str, deadline: float) -> User | None: ...

    async def get(self, user_id: str, deadline: float) -> User | None: ...


class Delivery(Protocol):
    """Brings a code to a phone. Never retries, never raises for what a provider may answer."""

    async def place(self, order: Order, deadline: float) -> Placed | RefusedNumber | NotPlaced | Unknown: ...


class LiveCalls(Delivery, Protocol):
    """A delivery whose calls can be followed and ended. `progress` asks for all of them at once."""

    async def progress(self, calls: Sequence[CallRef]) -> Mapping[CallRef, CallStatus]: ...

    async def hang_up(self, call: CallRef) -> None: ...

    async def close(self) -> None: ...


class Store(Protocol):
    """Rows and limits. Each method is atomic: all of it happened, or none.

    `swap` puts `new` in place of `old` (None: there was no open row), touches the limits of `spends` and writes
    `record`, in one transaction. STALE: another process was faster, load again. BUSY: a call of the
    same person lives in another row. Limited: a limit stopped it. Recorded: the request has a record already.
    In all of these cases nothing was written. Records are kept for `RECORD_SECONDS`, and at most `MAX_RECORDS` of
    either kind: then the oldest of that kind are removed.
    """

    async def load(self, key: LoginKey) -> Login | None: ...

    async def swap(
        self, old: Login | None, new: Login, spends: Iterable[Spend] = (), record: Record | None = None
    ) -> Swap | Limited | Recorded: ...

    async def spend(self, spends: Iterable[Spend], record: Record | None = None) -> Limited | Recorded | None: ...

    async def full_at(self, spends: Iterable[Spend]) -> Mapping[Spend, float]:
        """The stored time of each limit and subject, 0 where there is none: to be shown to people."""
        ...

    async def remember(self, key: bytes, value: bytes, ttl: float) -> None: ...

    async def recall(self, key: bytes) -> bytes | None: ...

    async def open_logins(self) -> int: ...

    async def sweep(self) -> int:
        """Drop what has ended; returns how many rows were still waiting for a code."""
        ...

    async def close(self) -> None: ...
