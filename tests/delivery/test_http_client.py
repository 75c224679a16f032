import asyncio
import json
import logging
import math
import socket
import ssl
from typing import Any
from urllib.parse import parse_qsl

import pytest
import trustme

from radius_voice.http_client import HttpPool, NotSent, SentUnknown
from radius_voice.twilio.client import TimedClient

from .conftest import answering, raw_server, read_request

SECRET = "a-token-that-stays-secret"


@pytest.fixture
async def pool():
    """Makes a pool with short times, and closes it."""
    made = []

    def make(port, scheme="http", **changes):
        settings: dict[str, Any] = {
            "base_url": f"{scheme}://localhost:{port}",
            "connect_timeout": 2.0,
            "total_timeout": 2.0,
        }
        made.append(HttpPool(**settings | changes))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def ask(pool, method="POST", seconds=math.inf):
    return await pool.send(
        method,
        "https://api.twilio.com/2010-04-01/X.json",
        data={"To": "+14155550123"},
        auth=("AC0", SECRET),
        seconds=seconds,
    )


def dead_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


async def test_a_refused_connection_was_not_sent(pool):
    with pytest.raises(NotSent, match="connection refused"):
        await ask(pool(dead_port()))


async def test_a_request_to_an_unresolvable_name_was_not_sent(pool):
    with pytest.raises(NotSent):
        await ask(pool(1, base_url="http://nowhere.invalid"))


async def test_a_request_through_an_unavailable_proxy_was_not_sent(pool):
    with pytest.raises(NotSent, match="proxy"):
        await ask(pool(1, proxy=f"http://127.0.0.1:{dead_port()}"))


async def test_a_handshake_that_never_ends_was_not_sent(pool):
    async def never_respond(reader, writer):
        await asyncio.Event().wait()

    async with raw_server(never_respond) as port:
        with pytest.raises(NotSent, match="timed out"):
            await ask(pool(port, scheme="https", connect_timeout=0.05))


async def test_a_timeout_while_connecting_was_not_sent(pool):
    async def never_respond(reader, writer):
        await asyncio.Event().wait()

    async with raw_server(never_respond) as port:
        with pytest.raises(NotSent, match="timed out"):
            await ask(pool(port, scheme="https"), seconds=0.05)


async def test_a_request_to_a_server_with_an_untrusted_certificate_was_not_sent(pool):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with raw_server(answering(200, b"{}"), ssl=context) as port:
        with pytest.raises(NotSent, match="TLS failed"):
            await ask(pool(port, scheme="https"))


async def test_a_certificate_of_the_configured_authority_is_trusted(pool, tmp_path):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with raw_server(answering(200, b"{}"), ssl=context) as port:
        assert 200 == (await ask(pool(port, scheme="https", ca_file=str(tmp_path / "ca.pem")))).status


async def test_an_unreadable_ca_file_is_reported_immediately(pool, tmp_path):
    with pytest.raises(OSError):
        pool(1, ca_file=str(tmp_path / "nothing.pem"))


async def test_a_reset_after_the_request_is_indeterminate(pool):
    async def reset(reader, writer):
        await read_request(reader)

    async with raw_server(reset) as port:
        with pytest.raises(SentUnknown):
            await ask(pool(port))


async def test_a_missing_response_is_indeterminate(pool):
    async def never_respond(reader, writer):
        await read_request(reader)
        await asyncio.Event().wait()

    async with raw_server(never_respond) as port:
        with pytest.raises(SentUnknown, match="timed out"):
            await ask(pool(port), seconds=0.05)


async def test_a_truncated_body_is_indeterminate(pool):
    async with raw_server(answering(201, b'{"sid": "CA1"}', cut=5)) as port:
        with pytest.raises(SentUnknown, match="cut short"):
            await ask(pool(port))


async def test_a_response_that_is_not_http_is_indeterminate(pool):
    async def shell(reader, writer):
        await read_request(reader)
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with raw_server(shell) as port:
        with pytest.raises(SentUnknown, match="not HTTP"):
            await ask(pool(port))


async def test_a_kept_connection_closed_during_a_post_is_indeterminate_and_the_post_is_never_repeated(pool):
    requests = []

    async def once(reader, writer):
        requests.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        requests.append(await read_request(reader))

    async with raw_server(once) as port:
        ours = pool(port)
        assert 200 == (await ask(ours)).status
        with pytest.raises(SentUnknown):
            await ask(ours)
    assert 2 == len(requests)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
@pytest.mark.parametrize("kept", [False, True])
async def test_a_request_that_must_be_sent_once_has_one_connection_whatever_its_method(pool, method, kept):
    requests = []

    async def close(reader, writer):
        if kept:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
        requests.append(await read_request(reader))

    async with raw_server(close) as port:
        ours = pool(port)
        if kept:
            assert 200 == (await ours.send(method, "https://sms.example.org/", once=True)).status
        with pytest.raises(SentUnknown, match="connection broke"):
            await ours.send(method, "https://sms.example.org/", once=True)
    assert 1 == len(requests)


async def test_the_url_of_a_request_that_is_sent_once_is_unchanged(pool):
    requests = []

    async def keep(reader, writer):
        requests.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async with raw_server(keep) as port:
        await pool(port).send("GET", "https://sms.example.org/%41%2F/..%2b?a=%2B%20&b[]=~", once=True)
    assert requests[0].startswith(b"GET /%41%2F/..%2b?a=%2B%20&b[]=~ HTTP/1.1\r\n")


async def test_a_form_arrives_as_it_was_sent(pool):
    form = {
        "To": "+14155550123",
        "Twiml": '<Say language="de-DE">Müller & Söhne; 50% = ~1/2?\n\U0001f4de</Say>',
        "Timeout": 25,
    }
    requests = []

    async def keep(reader, writer):
        requests.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async with raw_server(keep) as port:
        await pool(port).send("POST", "https://api.twilio.com/X", data=form)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert {name: str(value) for name, value in form.items()} == dict(parse_qsl(body.decode(), strict_parsing=True))


async def test_a_complete_body_is_sent_with_the_content_type_of_the_caller(pool):
    requests = []

    async def keep(reader, writer):
        requests.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    body = json.dumps({"text": "Müller & Söhne"}, ensure_ascii=False).encode()
    async with raw_server(keep) as port:
        await pool(port).send("PUT", "https://x/y", content=body, headers={"Content-Type": "application/json"})
    head, _, sent = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /y HTTP/1.1")
    assert 1 == head.lower().count(b"content-type:")
    assert b"Content-Type: application/json" in head
    assert body == sent


async def test_a_redirect_is_a_response_and_not_followed(pool):
    requests = []

    async def redirect(reader, writer):
        requests.append(await read_request(reader))
        writer.write(b"HTTP/1.1 307 X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with raw_server(redirect) as port:
        assert 307 == (await ask(pool(port))).status
    assert 1 == len(requests)


async def test_cancellation_is_propagated(pool):
    arrived = asyncio.Event()

    async def never_respond(reader, writer):
        await read_request(reader)
        arrived.set()
        await asyncio.Event().wait()

    async with raw_server(never_respond) as port:
        asking = asyncio.create_task(ask(pool(port)))
        await asyncio.wait_for(arrived.wait(), 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_connections_are_kept_alive(pool):
    connections = []

    async def counted(reader, writer):
        connections.append(writer)
        await answering(200, b"{}")(reader, writer)

    async with raw_server(counted) as port:
        ours = pool(port)
        for _ in range(3):
            await ask(ours)
    assert 1 == len(connections)


def reachable(value, seen=None):
    """Every plain value reachable through the attributes of our own objects and the SDK's."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, (str, bytes)):
        yield value
    elif isinstance(value, dict):
        for each in [*value, *value.values()]:
            yield from reachable(each, seen)
    elif isinstance(value, (list, tuple, set)):
        for each in value:
            yield from reachable(each, seen)
    elif type(value).__module__.partition(".")[0] in ("radius_voice", "twilio"):
        yield from reachable(vars(value), seen)


async def test_no_part_of_a_request_is_kept_or_logged(pool, caplog):
    caplog.set_level(logging.DEBUG)
    async with raw_server(answering(200, b'{"sid": "CA-the-answer"}')) as port:
        ours = pool(port)
        client = TimedClient(ours, 1.0)
        await client.request("POST", "https://api.twilio.com/X", data={"To": "+14155550123"}, auth=("AC0", SECRET))
        kept = " ".join(map(str, [*reachable(ours), *reachable(client)]))
    for private in ("+14155550123", SECRET, "CA-the-answer"):
        assert private not in kept
        assert private not in caplog.text


async def test_closing_is_safe_before_the_first_request_and_twice():
    pool = HttpPool(connect_timeout=1, total_timeout=1)
    await pool.close()
    await pool.close()
