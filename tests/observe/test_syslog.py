import asyncio
import re
import ssl

import pytest
import trustme

from radius_voice.observe import syslog
from radius_voice.observe.syslog import Syslog
from tests.support.warning_recorder import WarningRecorder

LINE = b'{"kind":"service"}'


class Server:
    """A syslog server that keeps what it gets, until it hangs up."""

    def __init__(self):
        self.got = b""
        self.connections = []
        self.news = asyncio.Condition()

    async def start(self, tls=None, port=0):
        self._server = await asyncio.start_server(self._take, "127.0.0.1", port, ssl=tls)
        return self._server.sockets[0].getsockname()[1]

    async def _take(self, reader, writer):
        async with self.news:
            self.connections.append(writer)
            self.news.notify_all()
        while octets := await reader.read(65536):
            async with self.news:
                self.got += octets
                self.news.notify_all()
        writer.close()

    async def messages(self, count):
        """The first `count` messages, each by its count of octets."""
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: len(split(self.got)) >= count)
        return split(self.got)[:count]

    async def connected(self, times):
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: len(self.connections) >= times)

    async def stop(self):
        self._server.close()
        for writer in self.connections:
            writer.close()
        await self._server.wait_closed()


class FirstWarning(WarningRecorder):
    """Records warnings. `first` is done after the first."""

    def __init__(self):
        super().__init__()
        self.first = asyncio.get_running_loop().create_future()

    def __call__(self, text):
        self.append(text)
        if not self.first.done():
            self.first.set_result(text)


def split(octets):
    messages = []
    while found := re.match(rb"(\d+) ", octets):
        length, start = int(found[1]), found.end()
        if len(octets) < start + length:
            break
        messages.append(octets[start : start + length])
        octets = octets[start + length :]
    return messages


@pytest.fixture
async def server():
    server = Server()
    yield server
    await server.stop()


@pytest.fixture
async def started():
    """Runs syslogs until the test ends."""
    tasks = []

    def start(*arguments, **more):
        log = Syslog(*arguments, **more)
        tasks.append(asyncio.ensure_future(log.run()))
        return log

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_line_becomes_a_message_of_rfc_5424(server, started):
    log = started("127.0.0.1", await server.start(), None, lambda: 0.0, print)
    log(LINE)
    log(LINE)
    for message in await server.messages(2):
        assert re.fullmatch(
            rb"<86>1 1970-01-01T00:00:00\.000\+00:00 \S+ radius-voice \d+ audit - " + re.escape(LINE), message
        )


async def test_messages_queued_before_the_server_started_are_sent(server, started, monkeypatch):
    monkeypatch.setattr(syslog, "RETRY_SECONDS", (0.01,))
    port = await server.start()
    await server.stop()
    warnings = FirstWarning()
    log = started("127.0.0.1", port, None, lambda: 0.0, warnings)
    log(LINE)
    await warnings.first
    await server.start(port=port)
    assert 1 == len(await server.messages(1))
    assert 1 == len(warnings)


async def test_the_client_reconnects_to_a_server_that_closed_the_connection(server, started, monkeypatch):
    monkeypatch.setattr(syslog, "RETRY_SECONDS", (0.01,))
    log = started("127.0.0.1", await server.start(), None, lambda: 0.0, print)
    log(LINE)
    await server.messages(1)
    server.connections[0].close()
    await server.connected(2)
    log(LINE)
    assert 2 == len(await server.messages(2))


async def test_a_full_queue_drops_and_counts():
    log = Syslog("127.0.0.1", 1, None, lambda: 0.0, print, max_queued=2)
    for _ in range(5):
        log(LINE)
    assert 3 == log.dropped


async def test_tls_checks_the_certificate(server, started, monkeypatch):
    monkeypatch.setattr(syslog, "RETRY_SECONDS", (0.01,))
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    port = await server.start(tls=context)
    warnings = FirstWarning()
    idle_connection = started("127.0.0.1", port, ssl.create_default_context(), lambda: 0.0, warnings)
    idle_connection(b"secret")
    await warnings.first
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    friend = started("127.0.0.1", port, trusting, lambda: 0.0, warnings)
    friend(LINE)
    assert (await server.messages(1))[0].endswith(LINE)
    assert b"secret" not in server.got
