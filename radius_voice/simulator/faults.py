"""Faults of requests that create a call or a message: scripted by number, and at random."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from radius_voice.simulator.numbers import MISBEHAVIOURS, Misbehaviour, Refusal, number_of
from radius_voice.simulator.responses import error

SERVER_ERROR = Refusal(500, 20500, "An internal server error has occurred")


class Faults:
    """The faults of one simulator.

    `latency` delays every create request, in seconds. `fail_rate` is the fraction of create requests that get a 500.
    Half of these are carried out nevertheless: the simulator is less reliable than Twilio on purpose. `chance` returns
    a random fraction below 1.
    """

    def __init__(self, latency: float, fail_rate: float, chance: Callable[[], float]) -> None:
        self._latency = latency
        self._fail_rate = fail_rate
        self._chance = chance
        self._stopping = asyncio.Event()

    async def delay(self) -> None:
        """Wait as long as a create request takes."""
        if self._latency:
            await asyncio.sleep(self._latency)

    def of(self, to: str) -> Misbehaviour | None:
        """The fault of a create request to that number, None if it succeeds."""
        return MISBEHAVIOURS.get(number_of(to)) or self._random_failure()

    async def respond(self, how: Misbehaviour, request: web.Request) -> web.StreamResponse:
        """The response of a fault."""
        if how is Misbehaviour.GARBAGE:
            return web.Response(status=201, text='{"sid": "CA', content_type="application/json")
        if how is Misbehaviour.NO_RESPONSE:
            await self._stopping.wait()
        elif how is Misbehaviour.RESET and request.transport is not None:
            # without SO_LINGER, abort would close the connection normally and not reset it
            request.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            request.transport.abort()
        return error(SERVER_ERROR)

    def release(self) -> None:
        """End the requests that get no response."""
        self._stopping.set()

    def _random_failure(self) -> Misbehaviour | None:
        if not self._fail_rate or self._chance() >= self._fail_rate:
            return None
        return Misbehaviour.ERROR if self._chance() < 0.5 else Misbehaviour.ERROR_PLACED  # noqa: PLR2004
