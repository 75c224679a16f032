"""Whether the time of an Access-Reject tells why it was sent: wrong password, unknown user, no phone, or locked.

Each reason is compared with a wrong password by its AUC: the probability that its response takes longer. 0.5 means that
the times say nothing. With the default `reject_delay` several requests are in flight; without a delay they are sent one
by one, which shows the smallest difference. Exits 1 if a reason can be recognised with the default.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import harness
import page

from radius_voice.identity.passwords import hash_password
from radius_voice.radius import packet as radius
from radius_voice.radius_client import RadiusClient, Timers

WRONG, UNKNOWN, NO_PHONE, LOCKED = REASONS = ("wrong password", "unknown user", "no phone", "locked")
PASSWORD, GUESS = "a right password", "a wrong password"
SEVERAL = 50
"""Users whose right password is needed, or who are locked before; each is tried again and again."""
SALT = slice(31, 39)
"""Where a hash has a part of its salt: the hashes of a users file must differ."""
NOT_DISTINGUISHABLE = (0.45, 0.55)
ONCE = Timers(initial=30.0, max_wait=30.0, transmissions=1, total=30.0)

CONFIG = """\
development: true
server: {{listen: ["udp://127.0.0.1:{port}"], state: state, reject_delay: {delay}}}
clients: {{bench: {{address: 127.0.0.1, secret: {secret}, response_timeout: 25s}}}}
identity: {{people: {{type: users_file, path: users.yaml}}}}
delivery: {{friendly_name: Bench, providers: {{fixed: {{type: fixed, code: "123456"}}}}}}
limits: {{wrong_passwords: {{user: 1 per 24h, calling_station: off, client: off}}}}
audit: {{path: audit.jsonl}}
admin: {{listen: "127.0.0.1:{admin_port}"}}
"""


def users(attempts: int) -> dict[str, dict[str, object]]:
    """The users file. The hash of a user whose password is guessed need not belong to any password."""
    hashed = hash_password(PASSWORD)
    guessed = {name(WRONG, number): (hashed, number) for number in range(attempts)}
    guessed |= {name(LOCKED, number): (hashed, attempts + number) for number in range(SEVERAL)}
    file: dict[str, dict[str, object]] = {
        user: {"password": f"{text[: SALT.start]}{number:08d}{text[SALT.stop :]}", "phones": [harness.phone(number)]}
        for user, (text, number) in guessed.items()
    }
    return file | {name(NO_PHONE, number): {"password": hash_password(PASSWORD)} for number in range(SEVERAL)}


def name(reason: str, number: int) -> str:
    """The user of one try. Users who are tried again differ in length from the others by as much."""
    return f"{reason.split(maxsplit=1)[0]}{number % SEVERAL if reason in {NO_PHONE, LOCKED} else number:05d}"


async def seconds_of(client: RadiusClient, reason: str, number: int) -> float:
    """How long the Access-Reject of one try takes."""
    attributes = [(radius.USER_NAME, name(reason, number).encode())]
    password = PASSWORD if reason == NO_PHONE else GUESS
    began = time.perf_counter()
    reply = (await client.request(attributes, password.encode())).packet
    seconds = time.perf_counter() - began
    if reply.code != radius.ACCESS_REJECT:
        raise harness.BenchError(f"{reason}: expected an Access-Reject, got code {reply.code}")
    return seconds


async def tried(port: int, attempts: int, in_flight: int) -> dict[str, list[float]]:
    """The times of each reason, in seconds, in random order."""
    client = RadiusClient("127.0.0.1", port, harness.SECRET.encode(), ONCE)
    found: dict[str, list[float]] = defaultdict(list)
    try:
        for number in range(SEVERAL):
            await seconds_of(client, LOCKED, number)
        order = [(reason, number) for reason in REASONS for number in range(attempts)]
        random.shuffle(order)
        waiting = iter(order)

        async def one_after_another() -> None:
            for reason, number in waiting:
                found[reason].append(await seconds_of(client, reason, number))

        await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
    finally:
        client.close()
    return found


def measured(attempts: int, delay: str, in_flight: int) -> dict[str, list[float]]:
    """The times against a server with that `reject_delay`."""
    with tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as folder:
        port, admin_port = harness.free_port(), harness.free_port()
        config = Path(folder) / "radius-voice.yaml"
        text = CONFIG.format(port=port, admin_port=admin_port, secret=harness.SECRET, delay=delay)
        for path, content in ((config, text), (config.with_name("users.yaml"), json.dumps(users(attempts)))):
            path.touch(mode=0o600)
            path.write_text(content, encoding="utf-8")
        ready = f"http://127.0.0.1:{admin_port}/readyz"
        command = [*harness.PROGRAM, "serve", "--config", config]
        with harness.running(command, lambda: harness.http_ok(ready), config.with_name("log")):
            return asyncio.run(tried(port, attempts, in_flight))


def auc(times: Sequence[float], others: Sequence[float]) -> float:
    """The probability that one of `times` is longer than one of `others`; half of it if they are equal."""
    ordered = sorted(others)
    wins = sum((bisect_left(ordered, each) + bisect_right(ordered, each)) / 2 for each in times)
    return wins / (len(times) * len(ordered))


def rows(delay: str, found: dict[str, list[float]]) -> Iterator[list[object]]:
    """A row for each reason."""
    for reason in REASONS:
        half = statistics.median(found[reason]) * 1e3
        yield [delay, reason, f"{half:,.1f}", f"{auc(found[reason], found[WRONG]):.2f}" if reason != WRONG else "-"]


def main() -> int:
    parser = page.parser(__doc__)
    parser.add_argument("--attempts", type=int, default=2_000, help="requests for each reason")
    parser.add_argument("--in-flight", type=int, default=32, help="requests at once, with a delay")
    args = parser.parse_args()
    table: list[list[object]] = [["reject_delay", "reason", "half within, ms", "AUC"]]
    with_delay = measured(args.attempts, "1s", args.in_flight)
    table += rows("1s", with_delay)
    table += rows("0s", measured(args.attempts, "0s", 1))
    method = f"`python bench/reject_timing.py`: {args.attempts:,} requests for each reason, users file."
    page.show("reject_timing", method, table, page=args.page)
    least, most = NOT_DISTINGUISHABLE
    return 0 if all(least <= auc(with_delay[reason], with_delay[WRONG]) <= most for reason in REASONS) else 1


if __name__ == "__main__":
    sys.exit(main())
