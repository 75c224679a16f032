"""Time to ring: from the request's sending to the provider's being asked for the call, at a steady rate of logins.

Both moments are of this machine's one monotonic clock: the load generator's just before it sends the first packet,
and the simulated Twilio's when its handler is called. So the time has the kernel, the server and the simulator's own
queue in it. Logins begin at the rate whatever became of the others. Exits 1 when a login failed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import harness
import page
from harness import BenchError, Spread


def measure(store: str, workers: int, rate: float, logins: int, users: int) -> harness.Load:
    port = harness.free_port()
    with (
        tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as name,
        harness.phones(0.2, folder := Path(name)) as (_, provider, code),
        harness.a_store(store, folder) as kept,
        harness.radius_voice(port, folder, users=users, provider=provider, store=kept.section, workers=workers),
    ):
        harness.run_radload(port, users=users, window=users // 2, logins=logins // 5, code=code, rate=rate)
        return harness.run_radload(port, users=users, window=users // 2, logins=logins, code=code, rate=rate)


def main() -> int:
    parser = page.parser(__doc__)
    parser.add_argument("--rate", type=float, nargs="+", default=[100, 200, 400], help="logins begun a second")
    parser.add_argument("--seconds", type=float, default=6, help="how long, a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", choices=["sqlite", "redis", "memory"], default="sqlite")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    rows: list[list[object]] = [["logins a second", "p50, ms", "p99, ms"]]
    failures = []
    try:
        harness.build_radload()
        for rate in args.rate:
            logins = int(rate * args.seconds)
            loads = [measure(args.store, args.workers, rate, logins, 3_000) for _ in range(args.rounds)]
            failures += [load.line for load in loads if not load.clean]
            rows.append([f"{rate:g}", *(Spread.of([load.ring[at] for load in loads]).fine for at in (0, 1))])
        method = (
            f"`python bench/time_to_ring.py`: medians (least and most) of {args.rounds} rounds of {args.seconds:g} s, "
            f"store {args.store}, workers {args.workers}."
        )
        page.show("time_to_ring", method, rows, page=args.page)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(failures), file=sys.stderr, end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
