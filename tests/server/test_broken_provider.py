"""Every failure of a provider: the reply to the gateway, the records, and that no call is placed twice."""

import re
import socket
from functools import partial
from pathlib import Path

import pytest

from radius_voice.radius import packet as radius
from tests.support import server_process
from tests.support.matching import search
from tests.support.network import TIMEOUT
from tests.support.polling import wait_until
from tests.support.tcp_listener import TcpListener, never_respond, reset_connection, send_octets

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.1s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
limits: {calls: {total: 100 per 1m, country: 100 per 1m, client: 100 per 1m}}
"""
SHORT_TIMEOUTS = "timeout: 0.5s\n      connect_timeout: 0.5s"
MEMORY = 48 << 20


class FaultyProvider(TcpListener):
    """A proxy of the simulated Twilio. With a `fault`, it calls that instead."""

    def __init__(self, url):
        super().__init__(self.serve_request)
        self.simulator_address = tuple(url.removeprefix("http://").split(":"))
        self.fault = None
        self.call_requests = 0
        self.url = f"http://127.0.0.1:{self.port}"

    def serve_request(self, connection):
        """Serve one request per connection, so that each meets the current fault."""
        request = read_request(connection)
        self.call_requests += request.startswith(b"POST") and b"/Calls.json " in request
        (self.fault or partial(self.forward, request=request))(connection)

    def forward(self, connection, request):
        with socket.create_connection(self.simulator_address, TIMEOUT) as twilio:
            twilio.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            while piece := twilio.recv(65536):
                connection.sendall(piece)


def read_request(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        request += read_some(connection)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += read_some(connection)
    return head + b"\r\n\r\n" + body


def read_some(connection):
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionResetError
    return piece


# Faults


def respond_with(status, body, promised=0, kind=b"application/json"):
    length = len(body) + promised
    return send_octets(
        b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, length) + body
    )


def stop_in_body(connection):
    respond_with(201, b'{"sid": "CA1"', promised=500)(connection)
    never_respond(connection)


def send_endless_body(connection):
    respond_with(201, b"", promised=10**12)(connection)
    while True:
        connection.sendall(b" " * 65536)


HTML = b"<!doctype html><title>Welcome to the hotel's wireless network</title>"
INDETERMINATE = {
    "says nothing": (never_respond, "timed out"),
    "resets the connection": (reset_connection, "connection broke"),
    "closes the connection": (send_octets(b""), "connection broke"),
    "talks another protocol": (send_octets(b"220 mail.example ESMTP\r\n\r\n"), "response is not HTTP"),
    "talks noise": (send_octets(bytes(range(256)) * 20), "response is not HTTP"),
    "stops in mid-body": (stop_in_body, "timed out"),
    "cuts in mid-body": (respond_with(201, b'{"sid": "CA1"', promised=500), "response cut short"),
    "never comes to an end": (send_endless_body, "response too long"),
    "sends broken JSON": (respond_with(201, b'{"sid": "CA1'), "response not understood"),
    "nests without end": (respond_with(201, b"[" * 60_000), "response not understood"),
    "answers at length": (respond_with(201, b'{"sid": "%b"}' % (b"A" * 7_000_000)), "response too long"),
    "names a call at length": (respond_with(201, b'{"sid": "%b"}' % (b"A" * 60_000)), "response names no call"),
    "sends a list": (respond_with(201, b"[1]"), "response not understood"),
    "sends wrong types": (respond_with(201, b'{"sid": 5, "status": [], "price": {}}'), "response names no call"),
    "is a hotel's login page": (respond_with(200, HTML, kind=b"text/html"), "response not understood"),
    "sends no body": (respond_with(204, b""), "response names no call"),
    "fails": (respond_with(503, HTML), "HTTP 503"),
}
NOT_PLACED = {
    "leads elsewhere": (
        send_octets(b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        "302",
    ),
    "refuses with noise": (respond_with(400, b"\xff\xfe"), "HTTP 400"),
    "refuses at length": (respond_with(400, b'{"code": %b, "message": "%b"}' % (b"9" * 4000, b"x" * 9000)), "HTTP 400"),
    "refuses with wrong types": (respond_with(403, b'{"code": [1], "message": {}}'), "HTTP 403"),
}


@pytest.fixture(scope="module")
def provider(simulator):
    provider = FaultyProvider(simulator.url)
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(2 * (len(INDETERMINATE) + len(NOT_PLACED) + 1))]


@pytest.fixture(scope="module")
def server(start_server, provider, users):
    with pytest.MonkeyPatch.context() as patch:
        base = server_process.BASE_CONFIGURATION.replace("timeout: 3s", SHORT_TIMEOUTS)
        patch.setattr(server_process, "BASE_CONFIGURATION", base)
        with start_server(CONFIGURATION, users, simulator=provider.url) as server:
            yield server


@pytest.fixture(scope="module")
def unused_users(users):
    return iter(users)


@pytest.fixture
def user(unused_users, provider):
    """A user who logs in during the fault. The provider works again after the test."""
    yield next(unused_users)
    provider.fault = None


@pytest.fixture
def later_login(server, provider, simulator, unused_users):
    """Logs another user in after the fault, and waits for the end of the call."""

    def log_in():
        provider.fault = None
        user, gateway = next(unused_users), server.client()
        challenge = gateway.start_login(user)
        reply = gateway.respond(user, challenge, simulator.code(user.phone))
        ended = {"completed", "canceled"}
        wait_until(lambda: simulator.calls(user.phone)[-1]["status"] in ended, "the call is hung up")
        return reply.code

    return log_in


def peak_memory(server):
    """The peak memory of the server in octets."""
    return int(search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())[1]) << 10


@pytest.mark.parametrize("fault", INDETERMINATE)
def test_a_provider_with_an_indeterminate_result_gets_one_request(server, provider, user, later_login, fault):
    provider.fault, detail = INDETERMINATE[fault]
    provider.call_requests, used = 0, peak_memory(server)
    unknown = server.metric("radius_voice_deliveries_total", result="indeterminate")
    gateway = server.client()
    challenge = gateway.start_login(user)
    again = gateway.start_login(user)
    redial = gateway.respond(user, challenge, "phone")
    assert [radius.ACCESS_CHALLENGE] * 3 == [challenge.code, again.code, redial.code]
    assert ["delivery_indeterminate", "joined", "redial_unavailable"] == server.reasons(user)
    assert 1 == provider.call_requests
    (call,) = server.audit(kind="delivery", session=server.audit(user=user.name)[0]["session"])
    assert ("indeterminate", True) == (call["result"], detail in call["detail"])
    assert detail in server.wait_for_line(call["session"], server.stderr)
    assert unknown + 1 == server.metric("radius_voice_deliveries_total", result="indeterminate")
    assert peak_memory(server) - used < MEMORY
    assert radius.ACCESS_ACCEPT == later_login()


@pytest.mark.parametrize("fault", NOT_PLACED)
def test_a_provider_that_certainly_placed_no_call_is_a_reject_and_an_alarm(server, provider, user, later_login, fault):
    provider.fault, detail = NOT_PLACED[fault]
    provider.call_requests = 0
    alarms = server.metric("radius_voice_provider_alarms_total")
    assert radius.ACCESS_REJECT == server.client().start_login(user).code
    assert (["delivery_failed"], 1) == (server.reasons(user), provider.call_requests)
    (call,) = server.audit(kind="delivery", session=server.audit(user=user.name)[0]["session"])
    assert ("not_placed", True, True) == (call["result"], call["alarm"], detail in call["detail"])
    assert "fix=" in server.wait_for_line(call["session"], server.stderr)
    assert alarms + 1 == server.metric("radius_voice_provider_alarms_total")
    assert radius.ACCESS_ACCEPT == later_login()


def test_a_provider_that_is_available_again_is_used(server, provider, user, later_login):
    provider.close()
    try:
        assert radius.ACCESS_REJECT == server.client().start_login(user).code
    finally:
        provider.open()
    assert "connection refused" in server.wait_for_line(server.audit(user=user.name)[0]["session"], server.stderr)
    assert ["delivery_failed"] == server.reasons(user)
    assert radius.ACCESS_ACCEPT == later_login()
