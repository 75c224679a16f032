"""Voice logins a second against the simulated Twilio: each login places a call and types the code that it spoke.

The CPU time is compared with FreeRADIUS doing equal work without a call, measured in the same rounds. Server,
simulator and load generator share the machine's cores. Exits 1 when a login failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import curves
import harness
import login_cpu
import page
from harness import BenchError, Spread


def measure(args: argparse.Namespace, window: int, folder: Path) -> tuple[list[harness.Load], float, float]:
    """One round: the loads (warm-up and measured), and CPU microseconds a login of server and simulator."""
    port = harness.free_port()
    with (
        harness.phones(args.latency, folder) as (phones, provider, code),
        harness.a_store(args.store, folder) as store,
        harness.radius_voice(
            port, folder, users=args.users, provider=provider, store=store.section, workers=args.workers
        ) as pid,
    ):
        warm = harness.run_radload(port, users=args.users, window=window, logins=args.warmup, code=code)
        before = harness.settled_cpu(pid), harness.settled_cpu(phones)
        load = harness.run_radload(port, users=args.users, window=window, logins=args.logins, code=code)
        after = harness.settled_cpu(pid), harness.settled_cpu(phones)
    server, simulator = ((end - begin) / args.logins * 1e6 for begin, end in zip(before, after, strict=True))
    return [warm, load], server, simulator


def arguments() -> argparse.Namespace:
    parser = page.parser(__doc__)
    parser.add_argument("--logins", type=int, default=4_000, help="logins measured, a round")
    parser.add_argument("--warmup", type=int, default=1_000, help="logins before those")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=int, nargs="+", default=[50, 100, 200, 400, 800], help="logins in flight")
    parser.add_argument("--users", type=int, default=5_000, help="more than the window: a user has one live call")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds the provider takes to accept a call")
    parser.add_argument("--workers", type=int, default=2, help="processes of the server; memory takes one")
    parser.add_argument("--store", choices=["sqlite", "redis", "memory"], default="sqlite")
    args = parser.parse_args()
    if args.users <= max(args.window):
        parser.error("--users must be more than --window: a user has one live call")
    return args


def main() -> int:
    args = arguments()
    failures, points = [], []
    head: list[object] = [
        "in flight",
        harness.RATIO,
        "logins a second",
        "half within, ms",
        "99 % within, ms",
        "server's CPU, us",
        "simulator's CPU, us",
    ]
    rows: list[list[object]] = [head]
    try:
        harness.build_radload()
        for window in args.window:
            rounds, equal = [], []
            for _ in range(args.rounds):
                with tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as folder:
                    loads, server, simulator = measure(args, window, Path(folder))
                equal.append(login_cpu.equal_work(args.logins))
                failures += [load.line for load in loads if not load.clean]
                rounds.append((loads[-1].rate, *loads[-1].login[:2], server, simulator))
            spreads = [Spread.of(column) for column in zip(*rounds, strict=True)]
            points.append((window, spreads[0].median))
            ratio = Spread.ratio([server for *_, server, _ in rounds], equal)
            rows.append([window, ratio.fine, *spreads])
        method = (
            f"`python bench/voice_rate.py`: medians (least and most) of {args.rounds} rounds of {args.logins:,}; "
            f"workers {args.workers}, store {args.store}, a provider that takes {args.latency:g} s; CPU a login."
        )
        picture = curves.drawn({args.store: points}, "logins in flight", "voice logins a second")
        page.show("voice_rate", method, rows, page=args.page, picture=picture)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(failures), file=sys.stderr, end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
