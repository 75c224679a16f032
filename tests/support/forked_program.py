"""A command of radius-voice, forked from a process that has imported the package: most of a start is imports."""

import multiprocessing
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import IO

import radius_voice

MODULE = "radius_voice.cli.main"
FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(
    [
        module.name
        for module in pkgutil.walk_packages(radius_voice.__path__, "radius_voice.")
        if not module.name.endswith("__main__")
    ]
)


class ForkedProgram:
    """The process of a command, with those parts of the interface of subprocess.Popen that tests use.

    `stdin` is subprocess.PIPE or subprocess.DEVNULL. The other streams are pipes, whose text is UTF-8.
    """

    def __init__(
        self, arguments: Sequence[str], stdin: int, directory: str | os.PathLike[str], environment: Mapping[str, str]
    ) -> None:
        read, typed = FORK_SERVER.Pipe(duplex=False)
        printed, out = FORK_SERVER.Pipe(duplex=False)
        reported, error = FORK_SERVER.Pipe(duplex=False)
        self._process = FORK_SERVER.Process(
            target=_run, args=(arguments, os.fspath(directory), dict(environment), (read, out, error)), daemon=True
        )
        self._process.start()
        for each in (read, out, error):
            each.close()
        self.stdin: IO[str] | None = None
        if stdin == subprocess.PIPE:
            self.stdin = _stream(typed, "w")
        else:
            typed.close()
        self.stdout, self.stderr = _stream(printed, "r"), _stream(reported, "r")
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """The exit code, or None while the process runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code once the process has ended. Raises TimeoutExpired after `timeout` seconds."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(MODULE, timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _stream(connection: Connection, mode: str) -> IO[str]:
    """This end of a pipe as a text stream."""
    stream = os.fdopen(os.dup(connection.fileno()), mode, encoding="utf-8")
    connection.close()
    return stream


def _run(
    arguments: Sequence[str], directory: str, environment: Mapping[str, str], streams: Sequence[Connection]
) -> None:
    """Be `python -m radius_voice.cli.main` in the forked process."""
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin = os.fdopen(0, closefd=False)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["", *arguments]
    sys.modules.pop(MODULE, None)
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
