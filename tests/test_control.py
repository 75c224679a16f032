"""The service's local socket: access, responses, and bounded costs of misbehaving clients."""

import asyncio
import json
import os
import signal
import socket
import stat

import pytest

from radius_voice import control
from radius_voice.control import AlreadyRunning, ControlServer, NotRunning, RequestFailed, ask, claim
from tests.support.polling import wait_until_async

TIMEOUT = 10.0


@pytest.fixture
def claimed(tmp_path):
    held = claim(tmp_path)
    yield held
    held.release()


@pytest.fixture
async def server(claimed, request):
    """A server that responds with the arguments of the request."""
    server = ControlServer(claimed.listener, getattr(request, "param", echoed))
    await server.start()
    yield server
    await server.stop()


async def echoed(request):
    return {"asked": request.command, "arguments": request.arguments, "uid": request.uid}


async def broken(request):
    raise KeyError("a user's name")


def connected(directory):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(TIMEOUT)
    sock.connect(str(directory / control.SOCKET))
    return sock


def sent(directory, octets):
    """What comes back for these octets, until the service closes the connection."""
    with connected(directory) as sock:
        sock.sendall(octets)
        received = b""
        try:
            while piece := sock.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        return received


async def test_a_request_is_answered_with_the_user_who_sent_it_known(server, tmp_path):
    response = await asyncio.to_thread(ask, tmp_path, "unlock", name="bob")
    assert "unlock" == response["asked"]
    assert "bob" == response["arguments"]["name"]
    assert os.getuid() == response["uid"]


def test_the_socket_is_accessible_only_to_its_owner(claimed, tmp_path):
    for name in (control.SOCKET, control.LOCK):
        assert 0o600 == stat.S_IMODE((tmp_path / name).stat().st_mode)


async def test_several_clients_are_answered_at_once(claimed, tmp_path):
    all_five = asyncio.Barrier(5)

    async def together(request):
        await all_five.wait()
        return {"name": request.arguments["name"]}

    server = ControlServer(claimed.listener, together)
    await server.start()
    names = [f"user{number}" for number in range(5)]
    answers = await asyncio.gather(*(asyncio.to_thread(ask, tmp_path, "limits", name=name) for name in names))
    await server.stop()
    assert names == [answer["name"] for answer in answers]


def test_one_service_locks_a_directory_and_releases_it_when_it_ends(tmp_path):
    held = claim(tmp_path)
    with pytest.raises(AlreadyRunning, match=rf"running already \(process {os.getpid()}\)"):
        claim(tmp_path)
    held.release()
    assert not (tmp_path / control.SOCKET).exists()
    claim(tmp_path).release()


def test_the_socket_of_a_killed_process_is_replaced(tmp_path):
    ready, report = os.pipe()
    child = os.fork()
    if not child:
        claim(tmp_path)
        os.write(report, b"1")
        signal.pause()
    os.read(ready, 1)
    with pytest.raises(AlreadyRunning, match=f"process {child}"):
        claim(tmp_path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(report)
    assert (tmp_path / control.SOCKET).exists()
    with pytest.raises(NotRunning):
        ask(tmp_path, "status")
    claim(tmp_path).release()


def test_a_forked_process_keeps_the_directory_lock_when_its_parent_has_ended(tmp_path):
    ready, report = os.pipe()
    parent = os.fork()
    if not parent:
        claim(tmp_path)
        worker = os.fork()
        if worker:
            os.write(report, worker.to_bytes(8))
            os._exit(0)
        signal.pause()
    worker = int.from_bytes(os.read(ready, 8))
    os.waitpid(parent, 0)
    os.close(ready)
    os.close(report)
    try:
        with pytest.raises(AlreadyRunning):
            claim(tmp_path)
    finally:
        os.kill(worker, signal.SIGKILL)


def test_a_file_that_is_not_a_socket_is_not_replaced(tmp_path):
    (tmp_path / control.SOCKET).write_text("precious")
    with pytest.raises(ValueError, match=r"control\.sock: is not a socket; remove it"):
        claim(tmp_path)
    assert "precious" == (tmp_path / control.SOCKET).read_text()


async def test_a_path_longer_than_a_socket_address_works(tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    held = claim(deep)
    server = ControlServer(held.listener, echoed)
    await server.start()
    response = await asyncio.to_thread(ask, deep, "status")
    await server.stop()
    held.release()
    assert "status" == response["asked"]


@pytest.mark.parametrize("directory", ["nothing", "file"])
def test_without_a_running_service_the_client_gets_an_error_and_creates_nothing(tmp_path, directory):
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NotRunning, match=r"no radius-voice service listens at .+control\.sock"):
        ask(tmp_path / directory, "status")
    assert before == sorted(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "octets",
    [
        b"\n",
        b"no json\n",
        b"[1]\n",
        b'"unlock"\n',
        b'{"command": 5}\n',
        b'{"name": "bob"}\n',
        b"\xff\xfe\n",
        b"[" * 4000 + b"\n",
        b'{"command":"x","n":' + b"9" * 5000 + b"}\n",
    ],
)
async def test_a_malformed_request_gets_an_error_or_no_response_and_affects_no_other(server, tmp_path, octets):
    received = await asyncio.to_thread(sent, tmp_path, octets)
    assert received in (b"", received.splitlines()[0] + b"\n" if received else b"")
    if received:
        assert "not a JSON object with a command" in json.loads(received)["error"]
    assert "status" == (await asyncio.to_thread(ask, tmp_path, "status"))["asked"]


async def test_a_line_without_end_closes_the_connection(server, tmp_path):
    assert b"" == await asyncio.to_thread(sent, tmp_path, b"x" * 100_000)


async def test_a_client_that_sends_nothing_is_disconnected(server, tmp_path, monkeypatch):
    monkeypatch.setattr(control, "EXCHANGE_SECONDS", 0.05)
    assert b"" == await asyncio.to_thread(sent, tmp_path, b"")


async def test_a_client_that_reads_nothing_is_disconnected(claimed, tmp_path, monkeypatch):
    monkeypatch.setattr(control, "EXCHANGE_SECONDS", 0.05)

    async def long(request):
        return {"text": "x" * 10_000_000}

    server = ControlServer(claimed.listener, long)
    await server.start()
    with connected(tmp_path) as sock:
        sock.sendall(b'{"command": "limits"}\n')
        await wait_until_async(lambda: server._exchanges, "the connection is accepted")
        await asyncio.wait_for(asyncio.gather(*server._exchanges), TIMEOUT)
    await server.stop()


async def test_clients_beyond_the_maximum_are_refused(server, tmp_path):
    idle = [connected(tmp_path) for _ in range(control.MAX_CONNECTIONS)]
    await wait_until_async(lambda: len(server._exchanges) == control.MAX_CONNECTIONS, "all are accepted")
    with pytest.raises(RequestFailed, match="closed the connection; run this again"):
        await asyncio.to_thread(ask, tmp_path, "status")
    for sock in idle:
        sock.close()
    await wait_until_async(lambda: not server._exchanges, "all have ended")
    assert "status" == (await asyncio.to_thread(ask, tmp_path, "status"))["asked"]


@pytest.mark.parametrize("server", [broken], indirect=True)
async def test_an_unexpected_failure_of_a_command_is_reported_without_its_text(server, tmp_path):
    with pytest.raises(RequestFailed, match=r"internal error: KeyError in broken:\d+") as caught:
        await asyncio.to_thread(ask, tmp_path, "status")
    assert "a user's name" not in str(caught.value)


def test_a_service_that_does_not_respond_is_reported_in_bounded_time(claimed, tmp_path, monkeypatch):
    monkeypatch.setattr(control, "ASK_SECONDS", 0.05)
    with pytest.raises(RequestFailed, match="did not respond within"):
        ask(tmp_path, "status")


async def test_stopping_closes_open_connections(claimed, tmp_path):
    server = ControlServer(claimed.listener, echoed)
    await server.start()
    with connected(tmp_path) as sock:
        await wait_until_async(lambda: server._exchanges, "the connection is accepted")
        await server.stop()
        assert b"" == await asyncio.to_thread(sock.recv, 1)


# Streams


def stream_of(*lines, then=None, seconds=TIMEOUT):
    """A handler whose response are these lines, and then what `then` sends."""

    async def run(send):
        for line in lines:
            await send(line)
        if then is not None:
            await then(send)

    async def handle(request):
        return control.Stream(run, seconds)

    return handle


async def forever(send):
    await asyncio.Event().wait()


async def without_end(send):
    while True:
        await send({"text": "x" * 10_000})


async def wrong(send):
    raise KeyError("a user's name")


def followed(directory):
    return list(control.follow(directory, "debug", TIMEOUT))


@pytest.mark.parametrize("server", [stream_of({"text": "one"}, {"text": "two"})], indirect=True)
async def test_a_stream_has_each_line_and_ends(server, tmp_path):
    assert [{"text": "one"}, {"text": "two"}] == await asyncio.to_thread(followed, tmp_path)


@pytest.mark.parametrize("server", [stream_of({"text": "one"}, then=forever, seconds=0.05)], indirect=True)
async def test_a_stream_ends_with_its_time(server, tmp_path):
    assert [{"text": "one"}] == await asyncio.to_thread(followed, tmp_path)
    await wait_until_async(lambda: not server._exchanges, "the connection is closed")


@pytest.mark.parametrize("server", [stream_of({"text": "one"}, then=forever)], indirect=True)
@pytest.mark.parametrize("last", [b"", b"more"])
async def test_a_stream_ends_when_its_client_disconnects_or_sends_more(server, tmp_path, last):
    def read_and_leave():
        with connected(tmp_path) as sock:
            sock.sendall(b'{"command": "debug"}\n')
            assert b"one" in sock.recv(100)
            sock.sendall(last)

    await asyncio.to_thread(read_and_leave)
    await wait_until_async(lambda: not server._exchanges, "the connection is closed")


@pytest.mark.parametrize("server", [stream_of(then=without_end, seconds=0.2)], indirect=True)
async def test_a_stream_to_a_client_that_reads_nothing_ends_with_its_time(server, tmp_path, monkeypatch):
    monkeypatch.setattr(control, "EXCHANGE_SECONDS", 0.05)
    with connected(tmp_path) as sock:
        sock.sendall(b'{"command": "debug"}\n')
        await wait_until_async(lambda: server._exchanges, "the connection is accepted")
        await wait_until_async(lambda: not server._exchanges, "the connection is closed")


@pytest.mark.parametrize("server", [stream_of(then=wrong)], indirect=True)
async def test_an_unexpected_failure_ends_a_stream_without_its_text(server, tmp_path):
    with pytest.raises(RequestFailed, match=r"internal error: KeyError in wrong:\d+") as caught:
        await asyncio.to_thread(followed, tmp_path)
    assert "a user's name" not in str(caught.value)


async def test_a_stream_that_is_cut_off_is_a_failure(claimed, tmp_path):
    server = ControlServer(claimed.listener, stream_of({"text": "one"}, then=forever))
    await server.start()
    following = asyncio.ensure_future(asyncio.to_thread(followed, tmp_path))
    await wait_until_async(lambda: server._exchanges, "the connection is accepted")
    await server.stop()
    with pytest.raises(RequestFailed, match="closed the connection"):
        await following


def test_a_stream_of_no_service_is_an_error(tmp_path):
    with pytest.raises(NotRunning):
        followed(tmp_path)
