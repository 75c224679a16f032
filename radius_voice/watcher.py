"""The child that speaks for all workers: one page of metrics, one answer whether they are ready."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping

from radius_voice.http.admin import Admin, Readiness
from radius_voice.observe.merge import Ledger
from radius_voice.workers import House

OK = 200
PATIENCE = 1.0


class Watcher:
    """Collects from the workers' local sockets, and serves the admin listener."""

    def __init__(self, house: House, hosts: Iterable[str] = ()) -> None:
        self._house = house
        self._ledger = Ledger(house.folder / "counted.json")
        self._turn = asyncio.Lock()
        self._page = b""
        self._admin = Admin(lambda: self._page, self._ready, refresh=self._collect, hosts=hosts)

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Raises OSError."""
        return await self._admin.start(host, port)

    async def stop(self) -> None:
        """Stop listening."""
        await self._admin.stop()

    async def _collect(self) -> None:
        async with self._turn:  # an older answer must not follow a newer one
            before = self._births()
            answers = await ask_all(self._house, "/metrics")
            after = self._births()
            # Of a worker that was replaced meanwhile nobody knows which of the two has answered.
            self._page = self._ledger.page(
                {
                    worker: (after[worker], page)
                    for worker, (status, page) in answers.items()
                    if status == OK and before[worker] == after[worker]
                }
            )

    def _births(self) -> list[int]:
        return [self._house.births(worker) for worker in range(len(self._house.sockets))]

    async def _ready(self) -> Readiness:
        return readiness_of(await ask_all(self._house, "/readyz"), len(self._house.sockets))


async def ask(house: House, worker: int, path: str) -> tuple[int, str]:
    """A worker's answer on its local socket: HTTP status and text. Raises OSError or ValueError when none is whole."""
    reader, writer = await asyncio.open_unix_connection(house.admin_of(worker))
    try:
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"\r\nContent-Length: %d\r\n" % len(body) not in head + b"\r\n":
        raise ValueError("cut short")  # by the end of the worker
    return int(head.split(b" ", 2)[1]), body.decode()


async def ask_all(house: House, path: str) -> Mapping[int, tuple[int, str]]:
    """The answers of all workers that give one in time."""

    async def asked(worker: int) -> tuple[int, str]:
        async with asyncio.timeout(PATIENCE):
            return await ask(house, worker, path)

    numbers = range(len(house.sockets))
    answers = await asyncio.gather(*(asked(number) for number in numbers), return_exceptions=True)
    return {number: answer for number, answer in enumerate(answers) if not isinstance(answer, BaseException)}


def readiness_of(answers: Mapping[int, tuple[int, str]], workers: int) -> Readiness:
    """What `/readyz` of all workers comes to: a part is as bad as it is anywhere, and a warning is listed once."""
    parts: dict[str, str] = {}
    warnings: dict[str, None] = {}
    development = False
    for number in range(workers):
        if number not in answers:
            parts[f"worker {number}"] = "does not answer"
            continue
        told = json.loads(answers[number][1])
        development = development or told["development"]
        warnings |= dict.fromkeys(told["warnings"])
        for part, state in told["parts"].items():
            parts[part] = parts.get(part) or ("" if state == "ok" else state)
    return Readiness(parts, development, tuple(warnings))
