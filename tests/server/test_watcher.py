"""The watcher's metrics when a worker's response is missing or incomplete."""

import asyncio
import re
import time

import pytest

from radius_voice.control import claim
from radius_voice.service.heartbeats import Heartbeats
from radius_voice.service.watcher import Watcher
from radius_voice.service.workers import WATCHER, WorkerPool
from tests.http.test_admin import get
from tests.observe.test_merge import worker


def response(body, status="200 OK"):
    return f"HTTP/1.0 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.fixture
async def ask_watcher(tmp_path):
    """Asks a watcher for metrics, with the response of its only worker and the number of that worker's starts."""
    control = claim(tmp_path)
    pool = WorkerPool([[]], tmp_path, 0, control, Heartbeats(WATCHER, 2, time.monotonic))
    responses: list[bytes] = []

    async def respond(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(responses.pop())
        writer.close()

    async def ask(octets, starts):
        while pool.starts(0) < starts:
            pool.count_start(0)
        responses.append(octets)
        status, page, _ = await get(port, "/metrics")
        return status, re.findall(r"^radius_voice_deliveries_total.* (.*)$", page, re.MULTILINE)

    watcher = Watcher(pool)
    port = await watcher.start("127.0.0.1", 0)
    async with await asyncio.start_unix_server(respond, pool.admin_socket(0)):
        yield ask
    await watcher.stop()
    control.release()


@pytest.mark.parametrize("broken", [response(worker(6))[:-30], response("trouble", "500 Internal Server Error")])
async def test_an_incomplete_page_does_not_corrupt_the_next(ask_watcher, broken):
    assert (200, ["5.0"]) == await ask_watcher(response(worker(5)), starts=1)
    assert (200, ["5.0"]) == await ask_watcher(broken, starts=1)
    assert (200, ["6.0"]) == await ask_watcher(response(worker(1)), starts=2)
