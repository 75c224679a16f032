"""CPU time of only the server per login (two packets): radius-voice beside FreeRADIUS and pyrad, in one run.

The first figure is the ratio to FreeRADIUS doing equal work: absolute figures move by a factor of three between
machines, these ratios by a fifth.

Each round starts every server in turn, warms it up and drives a fixed number of logins; the kernel says what
that cost the server. Rates depend on the load generator sharing the cores; CPU time survives a noisy machine.
Exits 1 when a login failed anywhere.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import curves
import harness
import page
from harness import BenchError, Spread

FREERADIUS = "freeradius"
EQUAL_WORK = "freeradius-equal-work"
RADIUS_VOICE = "radius-voice"
WITH_SQLITE = "radius-voice-sqlite"
WITH_REDIS = "radius-voice-redis"
PYRAD = "pyrad"

Running = tuple[int, int | None]
"""The process ids of a server, and of its store's server if it has one."""

Start = Callable[[int, Path], AbstractContextManager[Running]]


@dataclass(slots=True)
class Measured:
    """Rounds of one server: microseconds of CPU a login, its own and its store's server's, and logins a second."""

    cpu: list[float] = field(default_factory=list)
    store: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def alone(server: AbstractContextManager[int]) -> Iterator[Running]:
    with server as pid:
        yield pid, None


@contextmanager
def with_store(kind: str, users: int, port: int, folder: Path, code: Path | None = None) -> Iterator[Running]:
    with (
        harness.a_store(kind, folder) as store,
        harness.radius_voice(port, folder, users=users, store=store.section, code=code) as pid,
    ):
        yield pid, store.server


def starts(users: int) -> dict[str, Start]:
    """How each server is started, by its name in the table."""
    return {
        FREERADIUS: lambda port, folder: alone(harness.freeradius("static", port, folder)),
        EQUAL_WORK: lambda port, folder: alone(harness.freeradius("equal_work", port, folder)),
        PYRAD: lambda port, folder: alone(harness.pyrad(port, folder)),
        RADIUS_VOICE: lambda port, folder: with_store("memory", users, port, folder),
        WITH_SQLITE: lambda port, folder: with_store("sqlite", users, port, folder),
        WITH_REDIS: lambda port, folder: with_store("redis", users, port, folder),
    }


def measure(start: Start, args: argparse.Namespace, into: Measured) -> None:
    port = harness.free_port()
    with tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as folder, start(port, Path(folder)) as pids:
        warm = harness.run_radload(port, users=args.users, window=args.window, logins=args.warmup)
        before = [harness.settled_cpu(pid) if pid else 0.0 for pid in pids]
        load = harness.run_radload(port, users=args.users, window=args.window, logins=args.logins)
        after = [harness.settled_cpu(pid) if pid else 0.0 for pid in pids]
    into.failures += [seen.line for seen in (warm, load) if not seen.clean]
    server, store = ((end - begin) / args.logins * 1e6 for begin, end in zip(before, after, strict=True))
    into.cpu.append(server)
    into.store.append(store)
    into.rate.append(load.rate)


def equal_work(logins: int) -> float:
    """Microseconds of CPU a login of FreeRADIUS doing equal work: what other benches compare their server with."""
    measured = Measured()
    size = argparse.Namespace(users=logins + logins // 4, window=100, warmup=logins // 4, logins=logins)
    measure(starts(size.users)[EQUAL_WORK], size, measured)
    return measured.cpu[0]


def in_turn(servers: Mapping[str, Start], args: argparse.Namespace) -> dict[str, Measured]:
    """All rounds of all servers, each server once a round."""
    results = {name: Measured() for name in servers}
    for _ in range(args.rounds):
        for name, start in servers.items():
            measure(start, args, results[name])
    return results


def table(results: dict[str, Measured]) -> list[list[object]]:
    """The ratio of a row is that of the medians; its spread is that of the single rounds."""
    base = results[EQUAL_WORK].cpu if EQUAL_WORK in results else []
    rows: list[list[object]] = [["server", harness.RATIO, "CPU, us a login", "store's server, us", "logins a second"]]
    for name, measured in results.items():
        ratio = Spread.ratio(measured.cpu, base).fine if base else "-"
        store = Spread.of(measured.store) if any(measured.store) else "-"
        rows.append([name, ratio, Spread.of(measured.cpu), store, Spread.of(measured.rate)])
    return rows


def with_size(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Options that say how much is measured."""
    parser.add_argument("--logins", type=int, default=8_000, help="logins measured, a server and round")
    parser.add_argument("--warmup", type=int, default=2_000, help="logins before those")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=int, default=100, help="logins in flight")
    parser.add_argument("--users", type=int, default=10_000, help="as many as logins: no user logs in twice in seconds")
    return parser


def arguments() -> argparse.Namespace:
    parser = with_size(page.parser(__doc__))
    servers = list(starts(0))
    parser.add_argument("--servers", nargs="+", choices=servers, default=servers)
    args = parser.parse_args()
    if args.users <= args.window:
        parser.error("--users must be more than --window: a user has one live call")
    return args


def main() -> int:
    args = arguments()
    try:
        harness.build_radload()
        known = starts(args.users)
        results = in_turn({name: known[name] for name in args.servers}, args)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    method = (
        f"`python bench/login_cpu.py`: medians (least and most) of {args.rounds} rounds of {args.logins:,} logins, "
        f"{args.window} in flight."
    )
    picture = curves.bars({name: statistics.median(each.cpu) for name, each in results.items()}, "CPU, us a login")
    page.show("login_cpu", method, table(results), page=args.page, picture=picture)
    return print_table(results)


def print_table(results: Mapping[str, Measured]) -> int:
    """1 when a login failed anywhere, which is printed; else 0."""
    failures = [f"{name}: {line}" for name, measured in results.items() for line in measured.failures]
    print("\n".join(failures), file=sys.stderr, end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
