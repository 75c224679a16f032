"""What the benches share: servers started and stopped as processes, the load generator, and CPU time from the kernel.

Everything stays on loopback, is bounded in time, and ends what it started, by its process id.
"""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent
PROJECT = BENCH.parent
RADLOAD = BENCH / "build" / "radload"
PROGRAM: tuple[str | Path, ...] = (sys.executable, "-m", "radius_voice.cli.main")
SECRET = "benchsecret-benchsecret"
CODE = "123456"
RATIO = "x FreeRADIUS doing equal work"
FIXED = f'{{type: fixed, code: "{CODE}"}}'
ACCOUNT = "AC" + "0" * 32
TOKEN = "bench-token"

START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0
LOAD_TIMEOUT = 120.0
SETTLE = 0.3

TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """The benchmark cannot continue. The text states what to fix."""


@dataclass(frozen=True, slots=True)
class Load:
    """Results of radload: milliseconds (median, 99th percentile, maximum) since the first packet of a login.

    `login` is until the result, `ring` until the provider received the request for the call. `line` is
    radload's output.
    """

    clean: bool
    rate: float
    login: tuple[float, float, float]
    ring: tuple[float, float, float]
    line: str


@dataclass(frozen=True, slots=True)
class Store:
    """A store that is ready: its section of the configuration, and the process id of its server if it has one."""

    section: str
    server: int | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the least and most it was taken from."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of some rounds."""
        return cls(statistics.median(values), min(values), max(values))

    @classmethod
    def ratio(cls, values: Sequence[float], base: Sequence[float]) -> Spread:
        """The ratio of the medians, and the least and most of the rounds' ratios."""
        rounds = [value / of for value, of in zip(values, base, strict=True)]
        return cls(statistics.median(values) / statistics.median(base), min(rounds), max(rounds))

    def __str__(self) -> str:
        return f"{self.median:,.0f} ({self.least:,.0f}-{self.most:,.0f})"

    @property
    def fine(self) -> str:
        """With a decimal, for small numbers."""
        return f"{self.median:,.1f} ({self.least:,.1f}-{self.most:,.1f})"


def machine() -> str:
    """One line on what this was measured on."""
    models = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    model = models[0] if models else platform.machine()
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def build_radload() -> None:
    """Compile the load generator unless it is newer than its source. Raises BenchError."""
    source = BENCH / "radload.c"
    if RADLOAD.exists() and RADLOAD.stat().st_mtime > source.stat().st_mtime:
        return
    RADLOAD.parent.mkdir(exist_ok=True)
    try:
        subprocess.run(["cc", "-O2", "-o", RADLOAD, source, "-lcrypto"], check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError("radload does not build; Debian: apt install gcc libc6-dev libssl-dev") from error


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_radload(port: int, *, users: int, window: int, logins: int, code: str = CODE, rate: float = 0) -> Load:
    """Drive `logins` dialogs against 127.0.0.1:`port`: `window` in flight, or `rate` begun every second.

    Raises BenchError when they never come to an end.
    """
    numbers = map(str, (users, window, logins))
    words = [str(RADLOAD), "127.0.0.1", str(port), SECRET, *numbers, code, "3000", str(rate)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LOAD_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"radload did not end within {LOAD_TIMEOUT:g} s") from error
    line = done.stdout.strip()
    reached = re.search(r"= (\d+) logins/s", line)
    if reached is None:
        raise BenchError(f"radload failed: {done.stderr.strip()}")
    return Load(done.returncode == 0, float(reached[1]), _times(line, "login"), _times(line, "ring"), line)


def _times(line: str, name: str) -> tuple[float, float, float]:
    found = re.search(rf"\| {name} ms p50 ([\d.]+) p99 ([\d.]+) max ([\d.]+)", line)
    return (float(found[1]), float(found[2]), float(found[3])) if found else (math.nan, math.nan, math.nan)


@contextmanager
def running(
    command: Sequence[str | Path], ready: Callable[[], bool], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run `command` while it is wanted; yields its process id once `ready`. Raises BenchError with its last words."""
    # As when installed: without compiled modules a start would take half as long again.
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(env or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                last_words = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise BenchError(f"{' '.join(map(str, command))} did not start:\n{last_words}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def udp_bound(port: int) -> bool:
    """Whether a process has bound this UDP port on loopback."""
    return any(f":{port:04X}" in line.split()[1] for line in _lines("/proc/net/udp")[1:])


def http_ok(url: str) -> bool:
    """Whether `url` answers 200 within a second."""
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def settled_cpu(pid: int) -> float:
    """CPU seconds, user and system, of the process and its descendants, once what the load left behind is done."""
    time.sleep(SETTLE)
    return _cpu(pid)


def _cpu(pid: int) -> float:
    # proc_pid_stat(5): after the command's closing parenthesis, ppid is field 4, utime to cstime are fields 14 to 17
    rows = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        rows[int(path.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])))
    family = {pid}
    while grown := {child for child, (parent, _) in rows.items() if parent in family} - family:
        family |= grown
    return sum(rows[member][1] for member in family) / TICKS


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


# --- the servers -------------------------------------------------------------


@contextmanager
def freeradius(variant: str, port: int, folder: Path) -> Iterator[int]:
    """FreeRADIUS with one of the configurations in `freeradius/`; yields its process id."""
    program = shutil.which("freeradius") or shutil.which("radiusd")
    if program is None:
        raise BenchError("FreeRADIUS is not installed; Debian: apt install freeradius")
    raddb = folder / "raddb"
    shutil.copytree(BENCH / "freeradius", raddb)
    env = {"BENCH_PORT": str(port), "BENCH_DIR": str(folder), "BENCH_SECRET": SECRET}
    command: list[str | Path] = [program, "-d", raddb, "-n", variant, "-f", "-l", "stdout"]
    with running(command, lambda: udp_bound(port), folder / "log", env) as pid:
        yield pid


@contextmanager
def pyrad(port: int, folder: Path) -> Iterator[int]:
    """The dialog on pyrad's own server; yields its process id."""
    command: list[str | Path] = [sys.executable, BENCH / "pyrad_server.py", str(port), SECRET]
    with running(command, lambda: udp_bound(port), folder / "log") as pid:
        yield pid


@contextmanager
def radius_voice(
    port: int,
    folder: Path,
    *,
    users: int,
    provider: str = FIXED,
    store: str = "{type: memory}",
    workers: int = 1,
    code: Path | None = None,
) -> Iterator[int]:
    """radius-voice with `users` people, one provider and a store (YAML, in braces); yields its process id.

    `code` is a folder to import it from instead of this project.
    """
    admin_port = free_port(socket.SOCK_STREAM)
    config = configured(folder, port, admin_port, users=users, provider=provider, store=store, workers=workers)
    ready = f"http://127.0.0.1:{admin_port}/readyz"
    env = {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"} if code else {}
    with running([*PROGRAM, "serve", "--config", config], lambda: http_ok(ready), folder / "log", env) as pid:
        yield pid


def configured(
    folder: Path, port: int, admin_port: int, *, users: int, provider: str, store: str, workers: int
) -> Path:
    """Writes radius-voice's configuration and its people into `folder`; returns the file to start it with."""
    config = folder / "radius-voice.yaml"
    parts = {"port": port, "admin_port": admin_port, "provider": provider, "store": store, "workers": workers}
    _write(config, CONFIG.format(secret=SECRET, **parts))
    _write(folder / "users.yaml", "".join(f'{user_name(n)}: {{phones: ["{phone(n)}"]}}\n' for n in range(users)))
    return config


@contextmanager
def a_store(kind: str, folder: Path) -> Iterator[Store]:
    """The store of that name: its configuration, and for redis its own server."""
    if kind != "redis":
        yield Store(f"{{type: {kind}}}")
        return
    with redis(folder) as (pid, port):
        yield Store(f'{{type: redis, servers: ["127.0.0.1:{port}"]}}', pid)


@contextmanager
def redis(folder: Path) -> Iterator[tuple[int, int]]:
    """An empty Redis that writes nothing to disk; yields its process id and port."""
    program = shutil.which("redis-server")
    if program is None:
        raise BenchError("Redis is not installed; Debian: apt install redis-server")
    port = free_port(socket.SOCK_STREAM)
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with running([program, *options], listens, folder / "redis.log") as pid:
        yield pid, port


@contextmanager
def phones(latency: float, folder: Path) -> Iterator[tuple[int, str, str]]:
    """The simulated Twilio and who hears it; yields its process id, the provider's YAML and radload's CODE."""
    port, oracle_port = free_port(socket.SOCK_STREAM), free_port()
    provider = (
        f'{{type: twilio-voice, account_sid: {ACCOUNT}, auth_token: {TOKEN}, from: "+15005550006", '
        f'calls_per_second: off, base_url: "http://127.0.0.1:{port}"}}'
    )
    command: list[str | Path] = [sys.executable, BENCH / "phones.py", str(port), str(oracle_port), str(latency)]
    history = f"http://127.0.0.1:{port}/simulator/calls"
    with running(command, lambda: http_ok(history), folder / "phones.log") as pid:
        yield pid, provider, f"@{oracle_port}"


def user_name(number: int) -> str:
    """The name that radload gives its user of that number."""
    return f"user{number:05d}"


def phone(number: int) -> str:
    """The phone of a user: a possible Washington number, which no benchmark calls."""
    return f"+1202{5550000 + number}"


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


CONFIG = """\
development: true
server:
  listen: ["udp://127.0.0.1:{port}"]
  state: state
  status_server: true
  key: bench-key-bench-key-bench-key-bench-key
  workers: {workers}
  max_concurrent: 4096
  max_queued: 4096
clients: {{bench: {{address: 127.0.0.1, secret: {secret}}}}}
identity: {{people: {{type: users_file, path: users.yaml}}}}
policies: {{default: {{first_factor: none, directory: people}}}}
delivery:
  friendly_name: Bench
  providers:
    bench: {provider}
limits:
  wrong_passwords: {{user: 1000000 per 1s, calling_station: 1000000 per 1s, client: 1000000 per 1s}}
  wrong_codes: {{user: 1000000 per 1s, phone: 1000000 per 1s, calling_station: 1000000 per 1s}}
  calls:
    user: 1000000 per 1s
    phone: 1000000 per 1s
    calling_station: 1000000 per 1s
    client: 1000000 per 1s
    country: 1000000 per 1s
    total: 1000000 per 1s
  calls_per_day: {{user: 1000000 per 24h, country: 1000000 per 24h, total: 1000000 per 24h}}
store: {store}
audit: {{path: audit.jsonl}}
admin: {{listen: "127.0.0.1:{admin_port}"}}
"""
