"""`radius-voice debug`: shows packets of one user or client while the service runs.

A debug session adds a tap, and removes it at its end. Its text waits in a bounded queue. Packets that do not fit are
counted, and neither formatted nor shown.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from radius_voice.bounded import in_daemon_thread
from radius_voice.control import Request, Send, Stream
from radius_voice.login.names import canonical_name
from radius_voice.observe.stream import TextStream
from radius_voice.radius.packet import Packet
from radius_voice.server.recorder import Result, Taps
from radius_voice.server.request import Peer
from radius_voice.server.selected import PacketPrinter, SelectedPackets

DEBUG = "debug"
MAX_SECONDS = 3600.0
MAX_SESSIONS = 4
MAX_QUEUED_CHARACTERS = 1 << 20
MAX_NAME_CHARACTERS = 253

Printers = Callable[[TextStream], PacketPrinter]
"""Creates a printer to a stream. It may block for a moment, and raise ValueError with the reason."""


def no_printer(_: TextStream) -> PacketPrinter:
    """For a service that was started without printers."""
    raise ValueError("this service was started without radius-voice debug")


@dataclass(frozen=True, slots=True)
class DebugFilter:
    """The packets that are shown: those of `user`, of `client`, or of both; None selects all. Ends after `seconds`."""

    user: str | None
    client: str | None
    seconds: float

    def arguments(self, seconds: float) -> Mapping[str, Any]:
        """The arguments of a request with this filter."""
        return {"user": self.user, "client": self.client, "all": True, "seconds": seconds}

    def record_text(self, uid: int | None) -> str:
        """The audit record of a debug session. It omits the user's name, because that user may not exist."""
        client = f" of client {self.client}" if self.client is not None else ""
        user = " of one user" if self.user is not None else ""
        by = "" if uid is None else f" by user id {uid}"
        return f"packets{user}{client} are shown for at most {self.seconds:g} s{by}"

    @classmethod
    def of(cls, request: Request, clients: Collection[str]) -> DebugFilter:
        """The filter that a request describes. Raises ValueError if it is not valid."""
        user, client, seconds = (request.arguments.get(name) for name in ("user", "client", "seconds"))
        if user is None and client is None and request.arguments.get("all") is not True:
            raise ValueError("name a user or a client, or show all packets by --all")
        if user is not None and not (isinstance(user, str) and 0 < len(canonical_name(user)) <= MAX_NAME_CHARACTERS):
            raise ValueError(f"the name of the user must have 1 to {MAX_NAME_CHARACTERS} characters")
        if client is not None and (not isinstance(client, str) or client not in clients):
            raise ValueError(f"no client has the name {client!r}; the configuration has {', '.join(clients)}")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_SECONDS:
            raise ValueError(f"the duration must be at most {MAX_SECONDS:g} s")
        return cls(user, client, float(seconds))


class Sessions:
    """Limits how many debug sessions run at a time."""

    def __init__(self, limit: int = MAX_SESSIONS) -> None:
        self._limit = limit
        self._running = 0

    def limited(
        self, run: Callable[[Send], Awaitable[None]], started: Callable[[], object]
    ) -> Callable[[Send], Awaitable[None]]:
        """Call `started` and run a session, or send an error if too many are running."""

        async def limited(send: Send) -> None:
            if self._running >= self._limit:
                await send({"error": f"{self._limit} sessions of radius-voice debug are running; end one of them"})
                return
            self._running += 1
            try:
                started()
                await run(send)
            finally:
                self._running -= 1

        return limited


class DebugQueue:
    """A `TextStream` whose blocks of text wait until `next` returns them."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._blocks: deque[str] = deque()
        self._characters = 0
        self._news = asyncio.Event()
        self._dropped = 0

    def has_room(self) -> bool:
        """Whether a block may be written. If not, a dropped block is counted."""
        if self._characters < MAX_QUEUED_CHARACTERS:
            return True
        self._dropped += 1
        return False

    def write(self, text: str) -> None:
        """Queue a block."""
        self._blocks.append(text)
        self._characters += len(text)
        self._news.set()

    def flush(self) -> None:
        """Do nothing: `next` takes the blocks."""

    def isatty(self) -> bool:
        """Whether the text goes to a terminal: it is sent to another process."""
        return False

    async def next(self) -> tuple[str, int]:
        """Wait for the next block; returns it, and how many blocks were dropped since the previous call."""
        while not self._blocks:
            self._news.clear()
            await self._news.wait()
        text = self._blocks.popleft()
        self._characters -= len(text)
        dropped, self._dropped = self._dropped, 0
        return text, dropped


class QueuedPrinter:
    """Prints packets by `printer`, which writes to `queue`, and omits those that the queue has no room for."""

    def __init__(self, queue: DebugQueue, printer: PacketPrinter) -> None:
        self._queue = queue
        self._printer = printer

    def received(
        self, client: str, peer: Peer, octets: bytes, *, show_name: bool = True, at: float | None = None
    ) -> None:
        """Print a datagram."""
        if self._queue.has_room():
            self._printer.received(client, peer, octets, show_name=show_name, at=at)

    def decided(self, peer: Peer, packet: Packet | None, record: Result) -> None:
        """Print a result."""
        if self._queue.has_room():
            self._printer.decided(peer, packet, record)

    def sent(self, client: str, peer: Peer, octets: bytes) -> None:
        """Print a response."""
        if self._queue.has_room():
            self._printer.sent(client, peer, octets)


class Debugger:
    """The debug sessions in one process, the worker `number`."""

    def __init__(self, taps: Taps, printers: Printers, number: int, limit: int = MAX_SESSIONS) -> None:
        self._taps = taps
        self._printers = printers
        self._number = number
        self._sessions = Sessions(limit)

    def session(self, wanted: DebugFilter, started: Callable[[], object]) -> Stream:
        """A debug session as a stream. `started` is called at its start."""
        return Stream(self._sessions.limited(partial(self._show, wanted), started), wanted.seconds)

    async def _show(self, wanted: DebugFilter, send: Send) -> None:
        queue = DebugQueue()
        try:
            printer = await in_daemon_thread(partial(self._printers, queue))
        except ValueError as problem:
            await send({"error": str(problem)})
            return
        tap = SelectedPackets(wanted.user, wanted.client, QueuedPrinter(queue, printer))
        self._taps.add(tap)
        try:
            await send({"worker": self._number})
            while True:
                await send(_line(*await queue.next()))
        finally:
            self._taps.remove(tap)


def _line(text: str, dropped: int) -> Mapping[str, Any]:
    return {"text": text, "dropped": dropped} if dropped else {"text": text}
