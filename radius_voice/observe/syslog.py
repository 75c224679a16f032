"""A copy of the audit log to a syslog server: RFC 5424 messages over TCP (RFC 6587) or TLS (RFC 5425).

A slow or unreachable server delays no login: lines wait in a bounded queue, and lines that do not fit are dropped and
counted. Lines in transit when a connection breaks may be lost; the audit log's file has them.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

MAX_QUEUED_LINES = 10_000
SENT_AT_ONCE = 200
CONNECT_SECONDS = 5.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
AUTHPRIV_INFO = 10 * 8 + 6


class Syslog:
    """Sends audit lines. `now` is wall-clock seconds; `warn` is called when the connection fails."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        now: Callable[[], float],
        warn: Callable[[str], None],
        max_queued: int = MAX_QUEUED_LINES,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._now = now
        self._warn = warn
        self._max_queued = max_queued
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._name = socket.gethostname().encode("ascii", "replace")[:255] or b"-"
        self.dropped = 0

    def __call__(self, line: bytes) -> None:
        """Queue one line, without its line end. It is dropped if the queue is full."""
        if len(self._waiting) >= self._max_queued:
            self.dropped += 1
            return
        self._waiting.append(self._message(line))
        self._news.set()

    def _message(self, line: bytes) -> bytes:
        """An RFC 5424 message (section 6) after the octet count of RFC 6587 section 3.4.1."""
        at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").encode()
        head = b"<%d>1 %b %b radius-voice %d audit - " % (AUTHPRIV_INFO, at, self._name, os.getpid())
        return b"%d %b%b" % (len(head) + len(line), head, line)

    async def run(self) -> None:
        """Send queued lines until cancelled."""
        failures = 0
        while True:
            try:
                await self._send_all()
            except (OSError, TimeoutError) as problem:
                if failures == 0:
                    self._warn(f"audit.syslog: {self._host} port {self._port}: {type(problem).__name__}; trying again")
                await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1
            else:
                failures = 0

    async def _send_all(self) -> None:
        """Connect, and send until the connection breaks. Returns if the server closed it, else raises OSError."""
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        ended = asyncio.ensure_future(reader.read(1))
        try:
            while not ended.done():
                await self._wait_for_news(ended)
                while self._waiting and not ended.done():
                    batch = [self._waiting.popleft() for _ in range(min(SENT_AT_ONCE, len(self._waiting)))]
                    writer.write(b"".join(batch))
                    await writer.drain()
        finally:
            ended.cancel()
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await ended

    async def _wait_for_news(self, ended: asyncio.Future[bytes]) -> None:
        self._news.clear()
        if self._waiting:
            return
        news = asyncio.ensure_future(self._news.wait())
        try:
            either: set[asyncio.Future[Any]] = {news, ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
