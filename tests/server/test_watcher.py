"""What the watcher makes of workers that give no answer, or half of one."""

import asyncio
import re

import pytest

from radius_voice.watcher import Watcher
from radius_voice.workers import House
from tests.http.test_admin import get
from tests.observe.test_merge import worker


def answer(body, status="200 OK"):
    return f"HTTP/1.0 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.fixture
async def asked(tmp_path):
    """Asks a watcher for metrics; what its only worker says, and how often that was born, can be set."""
    house = House([[]], tmp_path, 0, None)
    said = []

    async def say(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said.pop())
        writer.close()

    async def ask(octets, births):
        while house.births(0) < births:
            house.count_birth(0)
        said.append(octets)
        status, page, _ = await get(port, "/metrics")
        return status, re.findall(r"^radius_voice_calls_total.* (.*)$", page, re.MULTILINE)

    watcher = Watcher(house)
    port = await watcher.start("127.0.0.1", 0)
    async with await asyncio.start_unix_server(say, house.admin_of(0)):
        yield ask
    await watcher.stop()


@pytest.mark.parametrize("broken", [answer(worker(6))[:-30], answer("trouble", "500 Internal Server Error")])
async def test_what_is_no_whole_page_spoils_none_that_follows(asked, broken):
    assert (200, ["5.0"]) == await asked(answer(worker(5)), births=1)
    assert (200, ["5.0"]) == await asked(broken, births=1)
    assert (200, ["6.0"]) == await asked(answer(worker(1)), births=2)
