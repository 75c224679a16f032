"""The callback listener itself: paths, bodies, limits and responses."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from radius_voice.http.callbacks import MAX_BODY_BYTES, STATUSES, Callbacks
from radius_voice.http.listener import ListenerLimits
from radius_voice.login.deliveries.callbacks import CallbackRequest, CallbackResponse
from radius_voice.metric_labels import CallbackResult

URL = "https://voice.example.org"
DELIVERY = f"{'0f' * 16}.{'a' * 16}.1"


class Receiver:
    """Keeps what it receives, and responds with `response`."""

    def __init__(self) -> None:
        self.received: list[tuple[str, CallbackRequest]] = []
        self.response = CallbackResponse(CallbackResult.COUNTED)

    async def __call__(self, provider: str, request: CallbackRequest) -> CallbackResponse:
        self.received.append((provider, request))
        return self.response


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
async def listen(receiver):
    """Starts a listener with these limits; returns its port."""
    started = []

    async def start(**limits):
        sock = socket.create_server(("127.0.0.1", 0))
        listener = Callbacks(URL, receiver, ListenerLimits(**limits))
        started.append(listener)
        return await listener.start_on(sock)

    yield start
    for listener in started:
        await listener.stop()


async def post(port, path, data=b"a=b", method="POST", **more):
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as http, http.request(method, url, data=data, **more) as got:
        return got.status, await got.text(), got.headers


async def exchange(port, octets):
    """Send `octets` as they are, and read until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_callback_is_passed_on_with_the_public_url(listen, receiver):
    port = await listen()
    path = f"/twilio.2/{DELIVERY}/status"
    status, text, headers = await post(port, path, headers={"Host": "evil.example", "X-Some": "Value"})
    ((provider, request),) = receiver.received
    assert (204, "") == (status, text)
    assert ("twilio.2", URL + path, DELIVERY, "status") == (provider, request.url, request.delivery, request.action)
    assert (b"a=b", "Value") == (request.body, request.headers["x-some"])
    assert "Server" not in headers


@pytest.mark.parametrize("result", CallbackResult)
async def test_every_result_has_its_status_and_an_empty_body(listen, receiver, result):
    receiver.response = CallbackResponse(result)
    assert (STATUSES[result], "") == (await post(await listen(), f"/twilio/{DELIVERY}"))[:2]


async def test_a_response_may_have_a_body(listen, receiver):
    receiver.response = CallbackResponse(CallbackResult.COUNTED, "application/xml", "<Response/>")
    status, text, headers = await post(await listen(), f"/twilio/{DELIVERY}/key")
    assert (200, "<Response/>") == (status, text)
    assert headers["Content-Type"].startswith("application/xml")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/twilio",
        f"/twilio/{DELIVERY}/",
        f"/twilio/{DELIVERY}/status/more",
        f"/twilio/{DELIVERY}/status?a=b",
        f"/TWILIO/{DELIVERY}",
        f"/twilio/{'0' * 90}",
        f"//twilio/{DELIVERY}",
        f"/%74wilio/{DELIVERY}",
    ],
)
async def test_any_other_path_is_404_and_passed_to_no_provider(listen, receiver, path):
    answer = await exchange(await listen(), f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert [] == receiver.received


async def test_a_target_in_absolute_form_is_404(listen, receiver):
    target = f"{URL}/twilio/{DELIVERY}"
    answer = await exchange(await listen(), f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert [] == receiver.received


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_any_other_method_is_404(listen, receiver, method):
    assert 404 == (await post(await listen(), f"/twilio/{DELIVERY}", method=method))[0]
    assert [] == receiver.received


async def test_an_oversized_body_is_refused_without_reading_it(listen, receiver):
    head = f"POST /twilio/{DELIVERY} HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    answer = await exchange(await listen(), head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert [] == receiver.received


async def test_a_body_is_not_decompressed(listen, receiver):
    for encoding in ("gzip", "deflate"):
        status, text, _ = await post(await listen(), f"/twilio/{DELIVERY}", headers={"Content-Encoding": encoding})
        assert (204, "") == (status, text)
    assert [b"a=b"] * 2 == [request.body for _, request in receiver.received]


async def test_an_oversized_body_of_unknown_length_is_refused(listen, receiver):
    async def pieces():
        yield b"x" * (MAX_BODY_BYTES + 1)

    assert 413 == (await post(await listen(), f"/twilio/{DELIVERY}", pieces()))[0]
    assert [] == receiver.received


async def test_the_largest_body_is_received(listen, receiver):
    assert 204 == (await post(await listen(), f"/twilio/{DELIVERY}", b"x" * MAX_BODY_BYTES))[0]
    assert MAX_BODY_BYTES == len(receiver.received[0][1].body)


@pytest.mark.parametrize("rest", ["", "Content-Length: 10\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n5\r\nx"])
async def test_a_request_that_never_ends_closes_the_connection(listen, receiver, rest):
    port = await listen(connection_seconds=0.1)
    assert b"" == await exchange(port, f"POST /twilio/{DELIVERY} HTTP/1.1\r\nHost: x\r\n{rest}".encode())
    assert [] == receiver.received


async def test_connections_beyond_the_limit_are_closed(listen):
    port = await listen(connections=1)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(aiohttp.ClientError):
        await post(port, f"/twilio/{DELIVERY}")
    writer.close()


async def test_no_response_names_the_software(listen):
    port = await listen()
    for octets in (b"no http at all\r\n\r\n", b"POST /x HTTP/9.9\r\n\r\n"):
        answer = await exchange(port, octets)
        assert answer.startswith(b"HTTP/1.")
        assert b"server:" not in answer.lower()
        assert b"aiohttp" not in answer
