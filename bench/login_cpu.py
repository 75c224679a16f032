"""CPU time per login (two packets), of the server alone: radius-voice beside FreeRADIUS and pyrad, in one run.

Each round starts every server in turn, warms it up and drives a fixed number of logins; the kernel says what
that cost the server. Rates depend on the load generator sharing the cores; CPU time survives a noisy machine.
Exits 1 when a login failed anywhere.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import harness
from harness import BenchError, Spread

FREERADIUS = "freeradius"
EQUAL_WORK = "freeradius-equal-work"
RADIUS_VOICE = "radius-voice"
PYRAD = "pyrad"

Start = Callable[[int, Path], AbstractContextManager[int]]


@dataclass(slots=True)
class Measured:
    """Rounds of one server: microseconds of CPU a login, logins a second, and the loads that failed."""

    cpu: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def starts(users: int) -> dict[str, Start]:
    """How each server is started, by its name in the table."""
    fixed = f'{{type: fixed, code: "{harness.CODE}"}}'
    return {
        FREERADIUS: lambda port, folder: harness.freeradius("static", port, folder),
        EQUAL_WORK: lambda port, folder: harness.freeradius("equal_work", port, folder),
        RADIUS_VOICE: lambda port, folder: harness.radius_voice(port, folder, users=users, provider=fixed),
        PYRAD: harness.pyrad,
    }


def measure(start: Start, args: argparse.Namespace, into: Measured) -> None:
    port = harness.free_port()
    with tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as folder, start(port, Path(folder)) as pid:
        warm = harness.run_radload(port, users=args.users, window=args.window, logins=args.warmup)
        before = harness.settled_cpu(pid)
        load = harness.run_radload(port, users=args.users, window=args.window, logins=args.logins)
        spent = harness.settled_cpu(pid) - before
    into.failures += [seen.line for seen in (warm, load) if not seen.clean]
    into.cpu.append(spent / args.logins * 1e6)
    into.rate.append(load.rate)


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def table(results: dict[str, Measured]) -> str:
    base = results[FREERADIUS].cpu if FREERADIUS in results else []
    rows = [("server", "CPU us a login (spread)", "logins/s (spread)", f"CPU / {FREERADIUS}")]
    for name, measured in results.items():
        cpu = spread(measured.cpu)
        ratio = f"{cpu.median / statistics.median(base):.2f}" if base else "-"
        rows.append((name, str(cpu), str(spread(measured.rate)), ratio))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logins", type=int, default=10_000, help="logins measured, a server and round")
    parser.add_argument("--warmup", type=int, default=2_000, help="logins before those")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window", type=int, default=100, help="logins in flight")
    parser.add_argument("--users", type=int, default=1_000, help="people; more than the window, for one call a person")
    parser.add_argument(
        "--servers", nargs="+", choices=[FREERADIUS, EQUAL_WORK, RADIUS_VOICE, PYRAD],
        default=[FREERADIUS, RADIUS_VOICE, PYRAD],
    )  # fmt: skip
    args = parser.parse_args()
    if args.users <= args.window:
        parser.error("--users must be more than --window: a person has one live call")
    return args


def main() -> int:
    args = arguments()
    try:
        harness.build_radload()
        results = {name: Measured() for name in args.servers}
        for _ in range(args.rounds):
            for name, measured in results.items():
                measure(starts(args.users)[name], args, measured)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"CPU per login, {args.rounds} rounds of {args.logins} logins, {args.window} in flight")
    print(harness.machine())
    print(table(results))
    failures = [f"{name}: {line}" for name, measured in results.items() for line in measured.failures]
    print("\n".join(failures), file=sys.stderr, end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
