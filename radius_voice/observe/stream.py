"""Output to a pipe or a socket whose reader may be stuck. A blocked write would stop every login, and SIGTERM too."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol, TextIO

WAIT_SECONDS = 0.1
MILLISECONDS = 1000


class TextStream(Protocol):
    """The methods of a text stream that the log and `--debug` use."""

    @property
    def encoding(self) -> str | None: ...  # noqa: D102

    def write(self, text: str, /) -> object: ...  # noqa: D102

    def flush(self) -> object: ...  # noqa: D102

    def isatty(self) -> bool: ...  # noqa: D102


class NonBlockingWriter:
    """Writes to a descriptor, and waits at most `WAIT_SECONDS` for the reader of a pipe or socket.

    Once the reader has been too slow, no write waits until one has succeeded. Regular files and terminals are written
    as usual. Other processes that have the descriptor are not affected. Raises OSError if the descriptor is not open.
    """

    def __init__(self, descriptor: int) -> None:
        self._send, self.close = _opened(descriptor)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._stuck = False

    def write(self, data: bytes) -> int:
        """Write `data`; returns the number of octets written. Raises OSError if none was."""
        written = 0
        until = time.monotonic() + (0.0 if self._stuck else WAIT_SECONDS)
        while written < len(data):
            try:
                written += self._send(data[written:])
            except BlockingIOError:
                left = until - time.monotonic()
                self._stuck = left <= 0
                if self._stuck:
                    break
                self._poll.poll(left * MILLISECONDS)
            except OSError:
                if not written:
                    raise
                break
            else:
                self._stuck = False
        if data and not written:
            raise BlockingIOError(errno.EAGAIN, "its reader does not keep up")
        return written


class LineStream:
    """A `TextStream` that loses a line instead of waiting for a stuck reader. `lost` counts those lines.

    Takes the descriptor and the encoding of `stream`, which must hold no buffered text. A line after one that was cut
    short starts on a new line.
    """

    def __init__(self, stream: TextIO) -> None:
        self.encoding = stream.encoding
        self._terminal = stream.isatty()
        self._writer = NonBlockingWriter(stream.fileno())
        self._cut_short = False
        self.lost = 0

    def write(self, text: str) -> None:
        """Write one or more whole lines at once. Raises nothing."""
        data = (b"\n" if self._cut_short else b"") + text.encode(self.encoding, "backslashreplace")
        try:
            self._cut_short = self._writer.write(data) < len(data)
        except OSError:
            self.lost += 1
        else:
            self.lost += self._cut_short

    def flush(self) -> None:
        """Do nothing: no text is buffered."""

    def isatty(self) -> bool:
        """Whether the lines go to a terminal."""
        return self._terminal

    def close(self) -> None:
        """Close the descriptor that was opened here; the stream stays open."""
        self._writer.close()


def _opened(descriptor: int) -> tuple[Callable[[bytes], int], Callable[[], None]]:
    """A function that writes without waiting, or raises BlockingIOError, and one that closes the new descriptor.

    A pipe is opened again, because O_NONBLOCK would otherwise apply to every process that has it.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        connection = socket.socket(fileno=os.dup(descriptor))
        return (lambda data: connection.send(data, socket.MSG_DONTWAIT)), connection.close
    if not stat.S_ISFIFO(mode):
        return partial(os.write, descriptor), lambda: None
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # a pipe of another user, or a system other than Linux
        return partial(_write_if_room, descriptor), lambda: None
    return partial(os.write, own), lambda: os.close(own)


def _write_if_room(descriptor: int, data: bytes) -> int:
    """Write one atomic piece to a pipe that has room for it. It waits if another process takes the room meanwhile."""
    if not select.select([], [descriptor], [], 0)[1]:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return os.write(descriptor, data[: select.PIPE_BUF])
