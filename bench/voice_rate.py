"""Voice logins a second against the simulated Twilio: each login places a call and types the code that it spoke.

Server, simulator, load generator and code oracle share the machine's cores. Exits 1 when a login failed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import harness
from harness import BenchError

ACCOUNT = "AC" + "0" * 32
TOKEN = "bench-token"


class Ear:
    """Hears what the simulator says to a user's phone. Each call's code is told once, so an old one is never typed."""

    def __init__(self, simulator_port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", simulator_port, timeout=5)
        self._told: dict[str, str] = {}

    def code_for(self, user: str) -> str:
        """The code of the user's newest call, or nothing while there is no new call."""
        self._http.request("GET", f"/simulator/calls?to={quote(harness.phone(int(user.removeprefix('user'))))}")
        calls = json.loads(self._http.getresponse().read())
        if not calls or self._told.get(user) == calls[-1]["sid"]:
            return ""
        self._told[user] = calls[-1]["sid"]
        return str(calls[-1]["code"])


def answer_codes(asked: socket.socket, simulator_port: int) -> None:
    """The oracle: a user name by UDP, and its code back."""
    ear = Ear(simulator_port)
    while True:
        user, radload = asked.recvfrom(64)
        asked.sendto(ear.code_for(user.decode()).encode(), radload)


@contextmanager
def oracle(simulator_port: int) -> Iterator[int]:
    """A process of its own that knows codes; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.bind(("127.0.0.1", 0))
        process = multiprocessing.get_context("fork").Process(
            target=answer_codes, args=(asked, simulator_port), daemon=True
        )
        process.start()
        try:
            yield asked.getsockname()[1]
        finally:
            process.terminate()
            process.join()


@contextmanager
def simulator(port: int, latency: float, folder: Path) -> Iterator[int]:
    """The simulated Twilio; yields its process id."""
    account = ["--account-sid", ACCOUNT, "--auth-token", TOKEN]
    listen = ["--listen", f"127.0.0.1:{port}", "--latency", str(latency)]
    command = [*harness.PROGRAM, "simulate-twilio", *listen, *account]
    history = f"http://127.0.0.1:{port}/simulator/calls"
    with harness.running(command, lambda: harness.http_ok(history), folder / "simulator.log") as pid:
        yield pid


def measure(args: argparse.Namespace, folder: Path) -> int:
    port, simulator_port = harness.free_port(), harness.free_port(socket.SOCK_STREAM)
    provider = (
        f'{{type: twilio-voice, account_sid: {ACCOUNT}, auth_token: {TOKEN}, from: "+15005550006", '
        f'base_url: "http://127.0.0.1:{simulator_port}"}}'
    )
    with (
        simulator(simulator_port, args.latency, folder),
        oracle(simulator_port) as oracle_port,
        harness.radius_voice(port, folder, users=args.users, provider=provider) as pid,
    ):
        code = f"@{oracle_port}"
        warm = harness.run_radload(port, users=args.users, window=args.window, logins=args.warmup, code=code)
        before = harness.settled_cpu(pid)
        load = harness.run_radload(port, users=args.users, window=args.window, logins=args.logins, code=code)
        spent = harness.settled_cpu(pid) - before
    print(f"voice logins, {args.logins} of them, {args.window} in flight, provider answers after {args.latency:g} s")
    print(harness.machine())
    print(f"logins/s {load.rate:,.0f}  login p50 {load.p50:,.0f} ms  p99 {load.p99:,.0f} ms", end="  ")
    print(f"server CPU {spent / args.logins * 1e6:,.0f} us a login")
    failures = [seen.line for seen in (warm, load) if not seen.clean]
    print("\n".join(failures), file=sys.stderr, end="\n" if failures else "")
    return 1 if failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logins", type=int, default=3_000, help="logins measured")
    parser.add_argument("--warmup", type=int, default=300, help="logins before those")
    parser.add_argument("--window", type=int, default=200, help="logins in flight")
    parser.add_argument("--users", type=int, default=3_000, help="people; more than the window, for one call a person")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds the provider takes to accept a call")
    args = parser.parse_args()
    if args.users <= args.window:
        parser.error("--users must be more than --window: a person has one live call")
    try:
        harness.build_radload()
        with tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as folder:
            return measure(args, Path(folder))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
