import asyncio
import logging
import socket
import ssl
from urllib.parse import parse_qsl

import pytest
import trustme

from radius_voice.delivery.http_client import HttpPool, NotSent, SentUnknown

from .conftest import answering, raw_server, read_request

SECRET = "a-token-that-nobody-may-see"


@pytest.fixture
async def pool():
    """Makes a pool with short times, and closes it."""
    made = []

    def make(port, scheme="http", **changes):
        settings = {"base_url": f"{scheme}://localhost:{port}", "connect_timeout": 2.0, "total_timeout": 2.0}
        made.append(HttpPool(**settings | changes))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def ask(pool, method="POST", seconds=None):
    client = pool.within() if seconds is None else pool.within(seconds)
    return await client.request(
        method, "https://api.twilio.com/2010-04-01/X.json", data={"To": "+14155550123"}, auth=("AC0", SECRET)
    )


def dead_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


async def test_a_refused_connection_was_not_sent(pool):
    with pytest.raises(NotSent, match="connection refused"):
        await ask(pool(dead_port()))


async def test_a_name_that_does_not_exist_was_not_sent(pool):
    with pytest.raises(NotSent):
        await ask(pool(1, base_url="http://nowhere.invalid"))


async def test_a_proxy_out_of_reach_was_not_sent(pool):
    with pytest.raises(NotSent, match="proxy"):
        await ask(pool(1, proxy=f"http://127.0.0.1:{dead_port()}"))


async def test_a_handshake_that_never_ends_was_not_sent(pool):
    async def silent(reader, writer):
        await asyncio.Event().wait()

    async with raw_server(silent) as port:
        with pytest.raises(NotSent, match="timed out"):
            await ask(pool(port, scheme="https", connect_timeout=0.05))


async def test_the_whole_time_spent_on_connecting_was_not_sent(pool):
    async def silent(reader, writer):
        await asyncio.Event().wait()

    async with raw_server(silent) as port:
        with pytest.raises(NotSent, match="timed out"):
            await ask(pool(port, scheme="https"), seconds=0.05)


async def test_a_certificate_of_somebody_else_was_not_sent(pool):
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
        assert 200 == (await ask(pool(port, scheme="https", ca_file=str(tmp_path / "ca.pem")))).status_code


async def test_an_unreadable_authority_is_found_at_once(pool, tmp_path):
    with pytest.raises(OSError):
        pool(1, ca_file=str(tmp_path / "nothing.pem"))


async def test_a_reset_after_the_request_is_unknown(pool):
    async def reset(reader, writer):
        await read_request(reader)

    async with raw_server(reset) as port:
        with pytest.raises(SentUnknown):
            await ask(pool(port))


async def test_an_answer_that_never_comes_is_unknown(pool):
    async def silent(reader, writer):
        await read_request(reader)
        await asyncio.Event().wait()

    async with raw_server(silent) as port:
        with pytest.raises(SentUnknown, match="timed out"):
            await ask(pool(port), seconds=0.05)


async def test_a_body_cut_short_is_unknown(pool):
    async with raw_server(answering(201, b'{"sid": "CA1"}', cut=5)) as port:
        with pytest.raises(SentUnknown, match="cut short"):
            await ask(pool(port))


async def test_something_that_is_not_http_is_unknown(pool):
    async def shell(reader, writer):
        await read_request(reader)
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with raw_server(shell) as port:
        with pytest.raises(SentUnknown, match="not HTTP"):
            await ask(pool(port))


async def test_a_kept_connection_that_closes_on_a_post_is_unknown_and_the_post_is_never_repeated(pool):
    requests = []

    async def once(reader, writer):
        requests.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        requests.append(await read_request(reader))

    async with raw_server(once) as port:
        ours = pool(port)
        assert 200 == (await ask(ours)).status_code
        with pytest.raises(SentUnknown):
            await ask(ours)
    assert 2 == len(requests)


async def test_a_form_arrives_as_it_was_given(pool):
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
        await pool(port).within().request("POST", "https://api.twilio.com/X", data=form)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert {name: str(value) for name, value in form.items()} == dict(parse_qsl(body.decode(), strict_parsing=True))


async def test_a_redirect_is_an_answer_and_not_followed(pool):
    requests = []

    async def redirect(reader, writer):
        requests.append(await read_request(reader))
        writer.write(b"HTTP/1.1 307 X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with raw_server(redirect) as port:
        assert 307 == (await ask(pool(port))).status_code
    assert 1 == len(requests)


async def test_being_cancelled_stays_being_cancelled(pool):
    arrived = asyncio.Event()

    async def silent(reader, writer):
        await read_request(reader)
        arrived.set()
        await asyncio.Event().wait()

    async with raw_server(silent) as port:
        asking = asyncio.create_task(ask(pool(port)))
        await asyncio.wait_for(arrived.wait(), 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_connections_are_kept_warm(pool):
    connections = []

    async def counted(reader, writer):
        connections.append(writer)
        await answering(200, b"{}")(reader, writer)

    async with raw_server(counted) as port:
        ours = pool(port)
        for _ in range(3):
            await ask(ours)
    assert 1 == len(connections)


def reachable(thing, seen=None):
    """Every plain value reachable through the attributes of our own objects and the SDK's."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, (str, bytes)):
        yield thing
    elif isinstance(thing, dict):
        for each in [*thing, *thing.values()]:
            yield from reachable(each, seen)
    elif isinstance(thing, (list, tuple, set)):
        for each in thing:
            yield from reachable(each, seen)
    elif type(thing).__module__.partition(".")[0] in ("radius_voice", "twilio"):
        yield from reachable(vars(thing), seen)


async def test_nothing_of_a_request_is_kept_or_logged(pool, caplog):
    caplog.set_level(logging.DEBUG)
    async with raw_server(answering(200, b'{"sid": "CA-the-answer"}')) as port:
        ours = pool(port)
        client = ours.within(1.0)
        await client.request("POST", "https://api.twilio.com/X", data={"To": "+14155550123"}, auth=("AC0", SECRET))
        kept = " ".join(map(str, [*reachable(ours), *reachable(client)]))
    for private in ("+14155550123", SECRET, "CA-the-answer"):
        assert private not in kept
        assert private not in caplog.text


async def test_closing_is_safe_before_the_first_request_and_twice():
    pool = HttpPool(connect_timeout=1, total_timeout=1)
    await pool.close()
    await pool.close()
