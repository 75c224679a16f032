"""Messages about the state of the service to the service manager that started it: sd_notify(3)."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol, Self

SEND_SECONDS = 0.5
MICROSECONDS = 1_000_000


class Supervisor(Protocol):
    """The receiver of the state of `serve`: a service manager or, in a worker, the parent process.

    `alive_interval` is how often to call `alive`, in seconds; 0 means never.
    """

    alive_interval: float

    def ready(self) -> None:
        """The service has started, or has reloaded its configuration."""

    def reloading(self) -> None:
        """The service begins to reload its configuration; `ready` follows, also if the configuration is invalid."""

    def stopping(self) -> None:
        """The service begins to stop."""

    def alive(self) -> None:
        """The service responds."""


class ServiceManager:
    """The service manager that listens on the socket `address`; with an empty address, messages are not sent.

    `watchdog` is the time in seconds after which it restarts a service that does not report that it is alive, 0 if it
    never does. A message that cannot be sent is dropped: the manager acts on its own timeouts. Systems other than Linux
    have no abstract addresses (`@NAME`); nothing is sent there.
    """

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        self.alive_interval = watchdog / 2 if address else 0.0
        self._socket: socket.socket | None = None
        if address[:1] in {"/", "@"}:
            # Kept open, because messages are also sent when no file descriptor is left.
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(SEND_SECONDS)
            with suppress(OSError):
                self._socket.connect("\0" + address[1:] if address[0] == "@" else address)

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> Self:
        """The service manager named by NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, for the process `pid`."""
        period = environment.get("WATCHDOG_USEC", "")
        process = environment.get("WATCHDOG_PID", str(pid))
        watched = process == str(pid) and period.isascii() and period.isdigit()
        return cls(environment.get("NOTIFY_SOCKET", ""), int(period) / MICROSECONDS if watched else 0.0)

    @property
    def listens(self) -> bool:
        """Whether there is a service manager."""
        return self._socket is not None

    def ready(self) -> None:
        """The service has started, or has reloaded its configuration."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The service begins to reload its configuration."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service begins to stop."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """The service responds."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Send nothing from now on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.send(message.encode())


async def report_alive(supervisor: Supervisor) -> None:
    """Report that this process responds, as often as the supervisor wants, until cancelled."""
    while supervisor.alive_interval:
        supervisor.alive()
        await asyncio.sleep(supervisor.alive_interval)
