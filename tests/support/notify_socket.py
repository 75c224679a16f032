"""The socket on which a service manager receives messages: sd_notify(3)."""

import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.program_process import TIMEOUT


class NotifySocket:
    """A datagram socket at `path`. `passed` are the messages that `wait_for` has skipped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.passed: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def receive(self, seconds: float = TIMEOUT) -> str:
        """The next message. Raises TimeoutError."""
        self._socket.settimeout(seconds)
        return self._socket.recv(4096).decode()

    def wait_for(self, start: str) -> str:
        """The next message that starts with that text. Raises TimeoutError if messages end before it."""
        while not (message := self.receive()).startswith(start):
            self.passed.append(message)
        return message

    def wait_for_end(self, seconds: float) -> None:
        """Return once no message has arrived for that time. Raises AssertionError if messages do not end."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                self.receive(seconds)
            except TimeoutError:
                return
        raise AssertionError("messages still arrive")

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
