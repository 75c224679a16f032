from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import aiohttp
import pytest
import uvloop

from radius_voice.http.admin import Admin, Readiness


async def well() -> Readiness:
    return Readiness({"store": "", "people": ""})


async def start(ready=well, **settings) -> tuple[Admin, int]:
    admin = Admin(lambda: b"# HELP x y\nx 1.0\n", ready, **settings)
    return admin, await admin.start("127.0.0.1", 0)


@pytest.fixture
async def port():
    admin, port = await start()
    yield port
    await admin.stop()


async def get(port: int, path: str, **request) -> tuple[int, str, Mapping[str, str]]:
    method = request.pop("method", "GET")
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"http://127.0.0.1:{port}{path}", **request) as got,
    ):
        return got.status, await got.text(), got.headers


async def exchange(port: int, octets: bytes) -> bytes:
    """Send `octets` as they are, and read until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_metrics_are_prometheus_text(port):
    status, text, headers = await get(port, "/metrics")

    assert (200, "# HELP x y\nx 1.0\n") == (status, text)
    assert headers["Content-Type"].startswith("text/plain; version=")


async def test_healthz_reports_that_the_process_runs(port):
    assert (200, "ok\n") == (await get(port, "/healthz"))[:2]


async def test_readyz_is_200_when_every_component_is_ready(port):
    status, text, headers = await get(port, "/readyz")

    assert 200 == status
    assert "application/json; charset=utf-8" == headers["Content-Type"]
    parts = {"store": "ok", "people": "ok"}
    assert {"ready": True, "development": False, "warnings": [], "parts": parts} == json.loads(text)


async def readiness(ready, **settings):
    admin, port = await start(ready, **settings)
    try:
        status, text, _ = await get(port, "/readyz")
    finally:
        await admin.stop()
    return status, json.loads(text)


async def test_readyz_is_503_and_names_the_component_that_is_not_ready():
    async def ready():
        return Readiness({"store": "", "people": "unavailable"})

    assert (
        503,
        {"ready": False, "development": False, "warnings": [], "parts": {"store": "ok", "people": "unavailable"}},
    ) == await readiness(ready)


async def test_readyz_lists_warnings_and_stays_200():
    async def ready():
        return Readiness({"store": ""}, warnings=("users.yaml: missing",))

    status, body = await readiness(ready)

    assert (200, True, ["users.yaml: missing"]) == (status, body["ready"], body["warnings"])


async def test_readyz_announces_development():
    async def ready():
        return Readiness({"store": ""}, development=True)

    status, body = await readiness(ready)

    assert (200, True) == (status, body["development"])


async def test_readyz_is_503_when_a_check_raises_and_shows_no_secret():
    async def ready():
        raise RuntimeError("open sesame")

    status, body = await readiness(ready)

    assert (503, {"readiness": "not known: RuntimeError"}) == (status, body["parts"])


async def test_readyz_is_503_when_a_check_takes_too_long():
    status, body = await readiness(asyncio.Event().wait, ready_seconds=0.05)

    assert (503, {"readiness": "not known within 0.05 s"}) == (status, body["parts"])


@pytest.mark.parametrize("path", ["/", "/metrics/", "/console", "/healthz/../metrics2", "/%2e%2e/etc"])
async def test_every_other_path_is_404(port, path):
    assert 404 == (await get(port, path))[0]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_every_other_method_is_404(port, method):
    assert 404 == (await get(port, "/metrics", method=method))[0]


async def test_a_head_has_no_body(port):
    answer = await exchange(port, b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "octets",
    [
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"no http at all\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 10_000 + b"\r\n\r\n",
    ],
)
async def test_no_response_names_the_software(port, octets):
    answer = await exchange(port, octets)

    assert answer.startswith(b"HTTP/1.")
    assert b"server:" not in answer.lower()
    assert b"aiohttp" not in answer


@pytest.mark.parametrize(
    "octets",
    [
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 5000 + b"\r\n\r\n",
    ],
)
async def test_a_line_or_header_beyond_4096_octets_is_refused(port, octets):
    assert b" 400 " in (await exchange(port, octets)).split(b"\r\n")[0]


async def test_a_connection_carries_one_request(port):
    answer = await exchange(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)

    assert 1 == answer.count(b"HTTP/1.1 200")


async def test_the_server_does_not_wait_for_a_request_body(port):
    answer = await exchange(port, b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx")

    assert answer.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("octets", [b"", b"GET /healthz HTTP/1.1\r\nX: ", b"GET /healthz HTTP/1.1\r\n"])
async def test_a_request_that_never_ends_closes_the_connection(octets):
    admin, port = await start(connection_seconds=0.1)

    assert b"" == await exchange(port, octets)
    await admin.stop()


async def test_connections_beyond_the_limit_are_closed_and_a_freed_slot_is_used_again():
    admin, port = await start(max_connections=2)
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]

    assert b"" == await exchange(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")

    held_reader, held_writer = held[0]
    held_writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await held_reader.read()).endswith(b"ok\n")
    assert (await exchange(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")).endswith(b"ok\n")
    for _, writer in held:
        writer.close()
    await admin.stop()


async def test_a_closed_connection_uses_no_slot():
    async def hang() -> None:
        await asyncio.Event().wait()

    admin, port = await start(refresh=hang, max_connections=1, connection_seconds=0.1)
    assert b"" == await exchange(port, b"GET /metrics HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(10):
        while not await exchange(port, b"GET /healthz HTTP/1.0\r\n\r\n"):
            pass
    await admin.stop()


async def test_stop_closes_the_listener():
    admin, port = await start()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await admin.stop()

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def test_stop_before_start_does_nothing():
    await Admin(bytes, well).stop()


def test_the_server_runs_on_uvloop():
    async def serve():
        admin, port = await start(max_connections=1)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        refused = await exchange(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        writer.close()
        await admin.stop()
        admin, port = await start(connection_seconds=0.1)
        served = await exchange(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow = await exchange(port, b"GET ")
        await admin.stop()
        return refused, served[:15], slow

    assert (b"", b"HTTP/1.1 200 OK", b"") == uvloop.run(serve())
