"""The service's local socket, for commands that ask a running service.

It is `control.sock` in the state directory, and only root and the user of the service can use it (mode 0600). A client
sends one request and gets one response, each a JSON object on one line: `{"command": "unlock", "name": "bob"}`,
`{"error": "..."}`.

The service holds the lock `control.lock` while one of its processes runs. So two services never share a state
directory, and only the socket of a service that has ended is replaced.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from radius_voice.exceptions import kind_and_place

SOCKET = "control.sock"
LOCK = "control.lock"
MODE = 0o600
MAX_REQUEST_BYTES = 4096
MAX_RESPONSE_BYTES = 16 << 20
MAX_CONNECTIONS = 16
BACKLOG = 64
EXCHANGE_SECONDS = 10.0
ASK_SECONDS = 15.0
RELOAD, RELOAD_RESULT = "reload", "reload_result"
COMMAND_SECONDS = {RELOAD: 70.0, RELOAD_RESULT: 60.0}
"""The timeouts of commands that may take longer than EXCHANGE_SECONDS, because reading many users takes seconds."""
MAX_ADDRESS_BYTES = 100
UCRED = struct.Struct("3i")


class AlreadyRunning(ValueError):
    """Another service uses the state directory. The text has the process id."""


class NotRunning(Exception):
    """No service listens in the state directory."""


class RequestFailed(Exception):
    """The running service refused the request or sent no response. The text has the reason and the fix."""


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request."""

    command: str
    arguments: Mapping[str, Any]  # as received, not checked
    uid: int | None  # user id of the client's process; None where the system does not report it (SO_PEERCRED: Linux)


Send = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Sends one JSON object on a line. Waits while the client does not read. Raises OSError if it has disconnected."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A response of many lines, sent by `run` for at most `seconds`, or until the client disconnects."""

    run: Callable[[Send], Awaitable[None]]
    seconds: float


Handler = Callable[[Request], Awaitable[Mapping[str, Any] | Stream]]


@dataclass(frozen=True, slots=True)
class ControlSocket:
    """A locked state directory and its listening socket. Forked processes share both."""

    path: Path
    listener: socket.socket
    lock: int

    def release(self) -> None:
        """Release the directory. Only for the process that claimed it, after all other processes have ended."""
        self.path.unlink(missing_ok=True)
        self.listener.close()
        os.close(self.lock)


def claim(directory: Path) -> ControlSocket:
    """Lock a state directory and listen there. Raises AlreadyRunning, ValueError or OSError."""
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            process = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunning(
                f"server.state: {directory}: a radius-voice service with this state directory is running already "
                f"(process {process}); stop it, or give this one another server.state"
            ) from None
        with suppress(OSError):  # a full disk: only the message above needs the number
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return ControlSocket(directory / SOCKET, listen(directory / SOCKET), lock)
    except BaseException:
        os.close(lock)
        raise


def listen(path: Path) -> socket.socket:
    """Listen on a socket at `path`, for this user only. Replaces an old socket, so the caller must hold the lock.

    Raises ValueError or OSError.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ValueError(f"{path}: is not a socket; remove it")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o777 & ~MODE)
    try:
        with _address(path) as address:
            listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as problem:
        listener.close()
        raise OSError(problem.errno, problem.strerror, str(path)) from None
    finally:
        os.umask(mask)
    return listener


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """The address of the socket at `path`. If the path is too long for unix(7), it uses the directory's descriptor."""
    if len(os.fsencode(path)) <= MAX_ADDRESS_BYTES:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


class ControlServer:
    """Answers requests on a listening socket with `handle`, several in parallel."""

    def __init__(self, listener: socket.socket, handle: Handler) -> None:
        self._listener = listener
        self._handle = handle
        self._exchanges: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start to answer requests, including those that wait in the socket already."""
        self._server = await asyncio.start_unix_server(
            self._connected, sock=self._listener.dup(), limit=MAX_REQUEST_BYTES
        )

    async def stop(self) -> None:
        """Stop answering, and abort exchanges in progress."""
        self._server.close()
        for exchange in self._exchanges:
            exchange.cancel()
        await asyncio.gather(*self._exchanges, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._exchanges) >= MAX_CONNECTIONS:
            writer.close()
            return
        exchange = asyncio.ensure_future(self._exchange(reader, writer))
        self._exchanges.add(exchange)

        def ended(exchange: asyncio.Task[None]) -> None:
            self._exchanges.discard(exchange)
            writer.transport.abort()

        exchange.add_done_callback(ended)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(EXCHANGE_SECONDS):
                line = await reader.readline()
            response = await self._response(line, _peer_uid(writer))
            if isinstance(response, Stream):
                response = await _streamed(response, reader, writer)
            async with asyncio.timeout(EXCHANGE_SECONDS):
                await _send(writer, response)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, ValueError):  # disconnected, too slow, or a line that is too long
            return

    async def _response(self, line: bytes, uid: int | None) -> Mapping[str, Any] | Stream:
        try:
            arguments = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict) or not isinstance(arguments.get("command"), str):
            return {"error": "the request is not a JSON object with a command on one line"}
        seconds = COMMAND_SECONDS.get(arguments["command"], EXCHANGE_SECONDS)
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                return await self._handle(Request(arguments["command"], arguments, uid))
        except Exception as problem:  # noqa: BLE001 - an error in one command must not end the service
            if deadline.expired():
                return {"error": f"the service has no result after {seconds:g} s; it may still continue"}
            return {"error": f"internal error: {kind_and_place(problem)}"}


async def _streamed(stream: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Mapping[str, Any]:
    """Send a stream until it ends or the client disconnects, and return its last line."""
    running = asyncio.ensure_future(stream.run(partial(_send, writer)))
    ended = asyncio.ensure_future(reader.read(1))
    tasks: tuple[asyncio.Future[Any], ...] = (running, ended)
    try:
        await asyncio.wait(tasks, timeout=stream.seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    problem = results[0]
    if isinstance(problem, Exception) and not isinstance(problem, OSError):
        return {"error": f"internal error: {kind_and_place(problem)}"}
    return {"end": True}


async def _send(writer: asyncio.StreamWriter, line: Mapping[str, Any]) -> None:
    """Send an object on a line, and wait while the client does not read. Raises OSError if it has disconnected."""
    if writer.is_closing():  # uvloop raises RuntimeError then
        raise ConnectionResetError
    writer.write(json.dumps(line).encode() + b"\n")
    await writer.drain()


def unknown_command(command: str) -> str:
    """The error for a command that the service does not have."""
    return f"this service does not know the command {command!r}; it may be an older version"


def _peer_uid(writer: asyncio.StreamWriter) -> int | None:
    if sys.platform != "linux":
        return None
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)
    _, uid, _ = UCRED.unpack(credentials)
    return int(uid)


def ask(directory: Path, command: str, **arguments: Any) -> Mapping[str, Any]:
    """The response of the service that runs with this state directory. Raises NotRunning or RequestFailed."""
    path = directory / SOCKET
    seconds = ASK_SECONDS + COMMAND_SECONDS.get(command, 0.0)
    with _connected(path, seconds) as connection:
        connection.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
        response = json.loads(_line(connection, seconds))
    if not isinstance(response, dict):
        raise RequestFailed(f"{path}: the service sent a response that is not understood")
    if "error" in response:
        raise RequestFailed(str(response["error"]))
    return response


def follow(directory: Path, command: str, within: float, **arguments: Any) -> Iterator[Mapping[str, Any]]:
    """The lines of a stream of the service that runs with this state directory. The stream ends `within` seconds.

    Raises NotRunning or RequestFailed, also if the stream ends without its last line.
    """
    path = directory / SOCKET
    with _connected(path, within) as connection, connection.makefile("rb") as lines:
        connection.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
        for line in lines:
            part = json.loads(line)
            if "error" in part:
                raise RequestFailed(str(part["error"]))
            if "end" in part:
                return
            yield part
        raise ConnectionResetError


@contextmanager
def _connected(path: Path, seconds: float) -> Iterator[socket.socket]:
    """Connect to the service's socket. Converts errors in the `with` block to NotRunning and RequestFailed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        try:
            with _address(path) as address:
                connection.connect(address)
            yield connection
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise NotRunning(f"no radius-voice service listens at {path}") from None
        except PermissionError:
            raise RequestFailed(f"{path}: only root and the user of the service may use it; run this as root") from None
        except TimeoutError:
            raise RequestFailed(f"{path}: the service did not respond within {seconds:g} s") from None
        except (OSError, ValueError):
            raise RequestFailed(f"{path}: the service closed the connection; run this again") from None


def _line(connection: socket.socket, seconds: float) -> bytes:
    """Receive one line within `seconds`. Raises ValueError if it is too long or incomplete."""
    received = bytearray()
    deadline = time.monotonic() + seconds
    while not received.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        piece = connection.recv(65536)
        received += piece
        if not piece or len(received) > MAX_RESPONSE_BYTES:
            raise ValueError("no whole line")
    return bytes(received)
