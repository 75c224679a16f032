"""The simulated Twilio, with a UDP server that sends a user's code once it was spoken.

usage: phones.py HTTP_PORT ORACLE_PORT LATENCY

A request is "SLOT user00001", its response "SLOT code moment". The moment, in seconds of CLOCK_MONOTONIC, is when the
request for the call reached this process. Each call's code is sent once, so an old one is never typed.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import harness
import uvloop
from aiohttp import web

from radius_voice.simulator import Simulator

POLL_INTERVAL = 0.005
TIMEOUT = 5.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Address = tuple[str, int]


class CodeServer(asyncio.DatagramProtocol):
    """Sends the codes spoken by `simulator`, with the time of the last request for a call to each number."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._asked: dict[str, float] = {}
        self._last_sid: dict[str, str] = {}
        self._transport: Any

    @web.middleware
    async def notice(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record the time of a request for a call before it is processed."""
        if request.method == "POST" and request.path.endswith("/Calls.json"):
            moment = time.monotonic()
            self._asked[str((await request.post())["To"])] = moment
        return await handler(request)

    def connection_made(self, transport: Any) -> None:  # noqa: D102
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:  # noqa: D102
        slot, _, user = data.decode().partition(" ")
        self._send_code(slot, harness.phone(int(user.removeprefix("user"))), addr, time.monotonic() + TIMEOUT)

    def _send_code(self, slot: str, number: str, to: Address, until: float) -> None:
        calls = self._simulator.calls_to(number)
        if calls and self._last_sid.get(number) != calls[-1]["sid"]:
            self._last_sid[number] = calls[-1]["sid"]
            self._transport.sendto(f"{slot} {calls[-1]['code']} {self._asked[number]:.6f}".encode(), to)
        elif time.monotonic() < until:
            asyncio.get_running_loop().call_later(POLL_INTERVAL, self._send_code, slot, number, to, until)


async def serve(http_port: int, oracle_port: int, latency: float) -> None:
    simulator = Simulator(harness.ACCOUNT, harness.TOKEN, latency=latency)
    ear, loop, over = CodeServer(simulator), asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    app = simulator.app()
    app.middlewares.insert(0, ear.notice)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await loop.create_datagram_endpoint(lambda: ear, ("127.0.0.1", oracle_port))
    await web.TCPSite(runner, "127.0.0.1", http_port, backlog=1024).start()
    await over.wait()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
