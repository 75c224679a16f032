"""The simulated Twilio, with somebody at every phone: who asks by UDP for a user's code gets it once it was spoken.

usage: phones.py HTTP_PORT ORACLE_PORT LATENCY

A question is "SLOT user00001", its answer "SLOT code moment". The moment, in seconds of CLOCK_MONOTONIC, is when the
request for the call reached this process. Each call's code is told once, so an old one is never typed.
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

ASK_AGAIN = 0.005
PATIENCE = 5.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Address = tuple[str, int]


class Ear(asyncio.DatagramProtocol):
    """Listens at every phone of `simulator`. Numbers are known by when a call of them was last asked for."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._asked: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._transport: Any

    @web.middleware
    async def notice(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note when a call was asked for, before anything else is done about it."""
        if request.method == "POST" and request.path.endswith("/Calls.json"):
            moment = time.monotonic()
            self._asked[str((await request.post())["To"])] = moment
        return await handler(request)

    def connection_made(self, transport: Any) -> None:  # noqa: D102
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:  # noqa: D102
        slot, _, user = data.decode().partition(" ")
        self._tell(slot, harness.phone(int(user.removeprefix("user"))), addr, time.monotonic() + PATIENCE)

    def _tell(self, slot: str, number: str, to: Address, until: float) -> None:
        calls = self._simulator.heard(number)
        if calls and self._told.get(number) != calls[-1]["sid"]:
            self._told[number] = calls[-1]["sid"]
            self._transport.sendto(f"{slot} {calls[-1]['code']} {self._asked[number]:.6f}".encode(), to)
        elif time.monotonic() < until:
            asyncio.get_running_loop().call_later(ASK_AGAIN, self._tell, slot, number, to, until)


async def serve(http_port: int, oracle_port: int, latency: float) -> None:
    simulator = Simulator(harness.ACCOUNT, harness.TOKEN, latency=latency)
    ear, loop, over = Ear(simulator), asyncio.get_running_loop(), asyncio.Event()
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
