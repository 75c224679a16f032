"""A command of radius-voice as a process."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.support.forked_program import MODULE, ForkedProgram

INTERPRETER: tuple[str, ...] = (sys.executable, "-m", MODULE)
PROGRAM = INTERPRETER
LONG = "RADIUS_VOICE_LONG" in os.environ
TIMEOUT = 60.0  # seconds that any step may take on a busy machine before a test fails
END = ""  # the last element of `stdout` and `stderr` once the stream is closed


def started(
    arguments: list[str], stdin: int, cwd: str | Path | None, env: Mapping[str, str] | None
) -> subprocess.Popen[str] | ForkedProgram:
    """A command as a process. The long tests start an interpreter for each, and others fork one that has started."""
    if PROGRAM is INTERPRETER and not LONG:
        return ForkedProgram(arguments, stdin, cwd or Path.cwd(), os.environ if env is None else env)
    pipe = subprocess.PIPE
    command = [*PROGRAM, *arguments]
    return subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, encoding="utf-8", cwd=cwd, env=env)


class ProgramProcess:
    """A running command. Threads read its streams into the lists `stdout` and `stderr`, line by line."""

    def __init__(
        self,
        *arguments: object,
        stdin: int = subprocess.DEVNULL,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.process = started([*map(str, arguments)], stdin, cwd, env)
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._line_read = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            with self._line_read:
                lines.append(line)
                self._line_read.notify_all()
        with self._line_read:
            lines.append(END)
            self._line_read.notify_all()

    def wait_for_line(self, text: str, lines: list[str], times: int = 1) -> str:
        """Wait for the `times`th line of `lines` that contains `text`, and return it."""

        def matching() -> list[str]:
            return [line for line in lines if text in line]

        with self._line_read:
            self._line_read.wait_for(lambda: len(matching()) >= times or END in lines, TIMEOUT)
            if len(matching()) >= times:
                return matching()[times - 1]
        self.kill()
        raise AssertionError(f"no {text!r} in:\n{''.join(lines)}")

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Send SIGTERM, as systemd does. The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """The exit code, once the process has ended and its output is read."""
        try:
            return self.process.wait(TIMEOUT)
        finally:
            self.process.kill()
            self.process.wait(TIMEOUT)  # a thread in a request to a suspended mount cannot be killed
            self._close_streams()

    def _close_streams(self) -> None:
        """Close the streams, except one that a thread of the program keeps open while it waits for a suspended mount."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        for reader, stream in zip(self._readers, (self.process.stdout, self.process.stderr), strict=True):
            reader.join(TIMEOUT)
            if stream is not None and not reader.is_alive():
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
