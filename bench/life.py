"""How long a start takes until the first answer, and a reload until it is in effect, by the number of people.

A start is timed from the program's execution to its first answer to a Status-Server. Its CPU time, with the end of the
process, is compared with that of a process that only imports the same libraries. A reload turns the answering of
Status-Server on: it is timed from SIGHUP to the first answer, while logins go on at a steady rate; the slowest of
these says for how long a reload keeps others waiting. Exits 1 when a login failed.
"""

from __future__ import annotations

import hmac
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import harness
import page
from harness import BenchError, Spread

TIMEOUT = 30.0
LOGINS_A_SECOND = 200
RELOAD_EVERY = 1.0
IMPORT_ALL = """\
import sys
from contextlib import suppress
from importlib import import_module

for name in sys.argv[1:]:
    with suppress(ImportError):  # some libraries try others, which are not installed
        import_module(name)
"""


class Status:
    """Asks one server whether it is there (RFC 5997). Any answer will do: a slow one may be to an earlier question."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))

    def answered(self, timeout: float) -> bool:
        """Ask once; whether an answer came within so many seconds."""
        head = bytes((12, os.urandom(1)[0], 0, 38)) + os.urandom(16)
        mac = hmac.digest(harness.SECRET.encode(), head + b"\x50\x12" + bytes(16), "md5")
        try:
            self._socket.send(head + b"\x50\x12" + mac)
            self._socket.settimeout(timeout)
            return bool(self._socket.recv(4096))
        except (ConnectionRefusedError, TimeoutError):
            return False

    def time_until_answered(self, since: float) -> float:
        """Milliseconds from `since` to the first answer."""
        while not self.answered(0.002):
            if time.perf_counter() - since > TIMEOUT:
                raise BenchError(f"no answer within {TIMEOUT:g} s")
        return (time.perf_counter() - since) * 1e3


def start(users: int, folder: Path, env: dict[str, str] | None = None) -> float:
    """Milliseconds from executing the program to its first answer."""
    port = harness.free_port()
    config = write(folder, port, users)
    status = Status(port)
    began = time.perf_counter()
    with harness.running([*harness.PROGRAM, "serve", "--config", config], lambda: True, folder / "log", env):
        return status.time_until_answered(began)


def bare_import(folder: Path) -> list[str]:
    """The command of a process that imports the libraries that a start imports, and nothing of ours."""
    start(1, folder, {"PYTHONPROFILEIMPORTTIME": "1"})
    imported = re.findall(r"^import time:[\d |]+ (\S+)$", (folder / "log").read_text(), re.MULTILINE)
    libraries = [name for name in imported if name.partition(".")[0] != "radius_voice"]
    return [sys.executable, "-c", IMPORT_ALL, *libraries]


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of the processes that `work` starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def to_bare_import(users: int, rounds: int, folder: Path) -> Spread:
    """How many times the CPU of a bare import of the same libraries a start takes."""
    command = bare_import(folder)
    starts, imports = [], []
    for _ in range(rounds):
        starts.append(cpu_of(lambda: start(users, folder)))
        imports.append(cpu_of(lambda: subprocess.run(command, check=True)))
    return Spread.ratio(starts, imports)


def reloads(users: int, rounds: int, folder: Path) -> tuple[list[float], harness.Load, harness.Load]:
    """Milliseconds that reloads took to be in effect, and the logins before and during them."""
    port = harness.free_port()
    config = write(folder, port, users)
    text = config.read_text()
    status = Status(port)
    loads: list[harness.Load] = []

    def log_in() -> None:
        logins = int((rounds + 1) * 2 * RELOAD_EVERY * LOGINS_A_SECOND)
        loads.append(harness.run_radload(port, users=1_000, window=500, logins=logins, rate=LOGINS_A_SECOND))

    took = []
    command = [*harness.PROGRAM, "serve", "--config", config]
    with harness.running(command, lambda: status.answered(0.05), log := folder / "log") as pid:
        log_in()
        logging_in = threading.Thread(target=log_in)
        logging_in.start()
        for number in range(rounds):
            reload(pid, config, text.replace("status_server: true", "status_server: false"))
            wait_until(lambda: log.read_text().count("reloaded") == 2 * number + 1)  # noqa: B023 - called at once
            time.sleep(RELOAD_EVERY)
            took.append(Status(port).time_until_answered(reload(pid, config, text)))
            time.sleep(RELOAD_EVERY)
        logging_in.join()
    return took, loads[0], loads[1]


def wait_until(condition: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > TIMEOUT:
            raise BenchError(f"no reload within {TIMEOUT:g} s")
        time.sleep(0.02)


def reload(pid: int, config: Path, text: str) -> float:
    """Write `text` and send SIGHUP. The time of the signal."""
    config.write_text(text)
    signalled = time.perf_counter()
    os.kill(pid, signal.SIGHUP)
    return signalled


def write(folder: Path, port: int, users: int) -> Path:
    admin_port = harness.free_port(socket.SOCK_STREAM)
    store = "{type: sqlite}"
    return harness.configured(folder, port, admin_port, users=users, provider=harness.FIXED, store=store, workers=1)


def main() -> int:
    parser = page.parser(__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="users in the file")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    head: list[object] = [
        "users",
        "start's CPU, x importing its libraries",
        "start, ms",
        "reload, ms",
        "slowest login meanwhile, ms",
        "slowest login without, ms",
    ]
    rows: list[list[object]] = [head]
    failures = []
    try:
        harness.build_radload()
        for users in args.users:
            with tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as folder:
                started = [start(users, Path(folder)) for _ in range(args.rounds)]
                ratio = to_bare_import(users, args.rounds, Path(folder))
                took, calm, busy = reloads(users, args.rounds, Path(folder))
            failures += [load.line for load in (calm, busy) if not load.clean]
            times = [Spread.of(started), Spread.of(took), f"{busy.login[2]:.0f}", f"{calm.login[2]:.0f}"]
            rows.append([f"{users:,}", ratio.fine, *times])
        method = (
            f"`python bench/life.py`: medians (least and most) of {args.rounds}; store sqlite, people unchanged, "
            f"{LOGINS_A_SECOND} logins a second during reloads."
        )
        page.show("life", method, rows, page=args.page)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(failures), file=sys.stderr, end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
