"""A flood of guesses: which legitimate users still log in, at 0.5, 1 and 4 times the rate of password verification.

The attacker sends invented names through the same gateway, each from its own Calling-Station-Id or without any.
Legitimate users send their right passwords, with two retransmissions, from a place where they logged in before or
from a new one. Limits are the defaults. Ends with exit code 1 if a user at a known place, or at half the rate any
user, is not served.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import harness
import page
from passwords import measured

from radius_voice.identity.passwords import DEFAULT, hash_password
from radius_voice.radius import packet as radius
from radius_voice.radius.password import encrypt_password
from radius_voice.radius_client import NoReply, RadiusClient, Timers

FACTORS = (0.5, 1.0, 4.0)
USERS = 10
PASSWORD = "a right password"
CODE = "123456"
GATEWAY = Timers(initial=3.0, max_wait=3.0, transmissions=3, total=9.0)
TICK = 0.01

CONFIG = """\
development: true
server: {{listen: ["udp://127.0.0.1:{port}"], state: state}}
clients: {{bench: {{address: 127.0.0.1, secret: {secret}}}}}
identity: {{people: {{type: users_file, path: users.yaml}}}}
delivery: {{friendly_name: Bench, providers: {{fixed: {{type: fixed, code: "{code}"}}}}}}
limits: {{calls: {{client: off, country: off, total: off}}}}
audit: {{path: audit.jsonl}}
admin: {{listen: "127.0.0.1:{admin_port}"}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """How many of one kind of users were challenged, and how long each waited, in milliseconds."""

    waits: list[float]

    @property
    def all(self) -> bool:
        """Whether every user was."""
        return len(self.waits) == USERS

    def __str__(self) -> str:
        wait = f", half within {statistics.median(self.waits):,.0f} ms" if self.waits else ""
        return f"{len(self.waits)} of {USERS}{wait}"


class Session:
    """A user at a gateway."""

    def __init__(self, port: int, name: str, station: str) -> None:
        self._client = RadiusClient("127.0.0.1", port, harness.SECRET.encode(), GATEWAY)
        self._attributes = [(radius.USER_NAME, name.encode()), (radius.CALLING_STATION_ID, station.encode())]

    async def whole(self) -> None:
        """Log in, so that the place is known."""
        challenge = (await self._client.request(self._attributes, PASSWORD.encode())).packet
        state = (radius.STATE, challenge.first(radius.STATE) or b"")
        accept = (await self._client.request([*self._attributes, state], CODE.encode())).packet
        if accept.code != radius.ACCESS_ACCEPT:
            raise harness.BenchError("a user could not log in before the flood")

    async def wait(self, after: float) -> float | None:
        """Milliseconds until the challenge of a login that begins `after` seconds from now, None without one."""
        await asyncio.sleep(after)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            reply = (await self._client.request(self._attributes, PASSWORD.encode())).packet
        except NoReply:
            return None
        finally:
            self._client.close()
        return (clock() - began) * 1e3 if reply.code == radius.ACCESS_CHALLENGE else None


async def flood(port: int, rate: float, seconds: float, station: Callable[[int], str]) -> None:
    """Send `rate` guesses a second; replies are not read."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", port))
    began, sent = loop.time(), 0
    try:
        while (elapsed := loop.time() - began) < seconds:
            while sent < elapsed * rate:
                transport.sendto(_guess(sent, station(sent)))
                sent += 1
            await asyncio.sleep(TICK)
    finally:
        transport.close()


def _guess(number: int, station: str) -> bytes:
    authenticator, secret = secrets.token_bytes(16), harness.SECRET.encode()
    attributes = [
        (radius.USER_NAME, f"invented{number}".encode()),
        (radius.USER_PASSWORD, encrypt_password(b"a guess", secret, authenticator)),
    ]
    if station:
        attributes.append((radius.CALLING_STATION_ID, station.encode()))
    return radius.encode_request(radius.ACCESS_REQUEST, number % 256, authenticator, attributes, secret)


async def attacked(port: int, rate: float, seconds: float, station: Callable[[int], str]) -> tuple[Served, Served]:
    """What users at known and at new places get during a flood."""
    known = [Session(port, f"known{n}", f"198.51.100.{n}") for n in range(USERS)]
    new = [Session(port, f"new{n}", f"203.0.113.{n}") for n in range(USERS)]
    await asyncio.gather(*(login.whole() for login in known))
    attack = asyncio.ensure_future(flood(port, rate, seconds, station))
    begins = [1.0 + n * (seconds - GATEWAY.total - 1.0) / USERS for n in range(USERS)]
    waits = await asyncio.gather(
        *(login.wait(after) for logins in (known, new) for login, after in zip(logins, begins, strict=True))
    )
    await attack
    return tuple(Served([wait for wait in half if wait is not None]) for half in (waits[:USERS], waits[USERS:]))  # type: ignore[return-value]


def run(rate: float, seconds: float, station: Callable[[int], str]) -> tuple[Served, Served]:
    """One flood against its own server."""
    with tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as name:
        folder = Path(name)
        port, admin_port = harness.free_port(), harness.free_port()
        config = folder / "radius-voice.yaml"
        text = CONFIG.format(port=port, admin_port=admin_port, secret=harness.SECRET, code=CODE)
        users = {
            f"{kind}{n}": {"password": hash_password(PASSWORD), "phones": [harness.phone(len(kind) * 100 + n)]}
            for kind in ("known", "new")
            for n in range(USERS)
        }
        for path, content in ((config, text), (folder / "users.yaml", json.dumps(users))):
            path.touch(mode=0o600)
            path.write_text(content, encoding="utf-8")
        ready = f"http://127.0.0.1:{admin_port}/readyz"
        command = [*harness.PROGRAM, "serve", "--config", config]
        with harness.running(command, lambda: harness.http_ok(ready), folder / "log"):
            return asyncio.run(attacked(port, rate, seconds, station))


def main() -> int:
    parser = page.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each flood lasts, more than 11")
    args = parser.parse_args()
    _, rate, _ = measured(DEFAULT)
    rows: list[list[object]] = [["guesses", "Calling-Station-Id", "users at known places", "users at new places"]]
    good = True
    for factor in FACTORS:
        for words, station in (("one each", lambda n: f"10.0.{n >> 8 & 255}.{n & 255}"), ("none", lambda _: "")):
            known, new = run(factor * rate, args.seconds, station)
            good = good and known.all and (factor > min(FACTORS) or new.all)
            rows.append([f"{factor:g} times", words, known, new])
    method = (
        f"`python bench/password_flood.py`: floods of {args.seconds:g} s; {rate:.0f} verifications a second; three "
        "transmissions, three seconds apart."
    )
    page.show("password_flood", method, rows, page=args.page)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
