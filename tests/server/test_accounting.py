"""Accounting: each authentic request is recorded once, and answered only once it is recorded."""

import asyncio
import secrets
import socket
from contextlib import contextmanager
from hashlib import md5
from ipaddress import ip_network
from typing import Any

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.events import AccountingRecord, Discard, DiscardRecord, ResendRecord
from radius_voice.login.codes.keys import Keys
from radius_voice.login.model import Unavailable
from radius_voice.radius import packet as radius
from radius_voice.radius.accounting import ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE
from radius_voice.server.accepted_names import AcceptedNames
from radius_voice.server.accounting import KEPT_SECONDS, MAX_IN_PROGRESS, Accounting
from radius_voice.server.clients import Client, Clients, Require
from radius_voice.server.recorder import Recorder, Taps
from radius_voice.server.traffic import TrafficReport
from radius_voice.stores.memory import MemoryStore
from tests.login.harness import Clock
from tests.support.network import TIMEOUT
from tests.support.server_process import WorkersProcess

SECRET = b"a shared secret of the tests"
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], accounting: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
START, STOP = (1).to_bytes(4), (2).to_bytes(4)
STATUS_TYPE, SESSION_ID = 40, 44


def accounting_request(*attributes, identifier=1, secret=SECRET, code=ACCOUNTING_REQUEST):
    """The octets of an Accounting-Request."""
    tail = b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)
    head = bytes((code, identifier)) + (20 + len(tail)).to_bytes(2)
    return head + md5(head + bytes(16) + tail + secret).digest() + tail


def event(status=START, session=b"a session", user=b"", **more):
    named = [(radius.USER_NAME, user)] if user else []
    return accounting_request((STATUS_TYPE, status), (SESSION_ID, session), *named, **more)


@contextmanager
def accounting_port(server):
    """Sends octets to the accounting port from one port, and returns the response."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect(("127.0.0.1", server.ports[1]))

        def exchange(octets):
            sock.send(octets)
            return radius.decode(sock.recv(4096))

        yield exchange


@pytest.fixture
def alice(make_user):
    return make_user()


def log_in(server, user):
    gateway = server.client()
    challenge = gateway.start_login(user)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code


def test_a_session_is_recorded_with_its_user_once_the_user_was_accepted(start_server, alice):
    before, name = event(user=alice.name.encode()), alice.name.upper().encode()
    with start_server(CONFIGURATION, [alice]) as server, accounting_port(server) as exchange:
        assert ACCOUNTING_RESPONSE == exchange(before).code
        log_in(server, alice)
        assert ACCOUNTING_RESPONSE == exchange(event(session=b"another", user=name)).code
        assert ACCOUNTING_RESPONSE == exchange(event(STOP, b"another", b"a password typed as a name")).code
        records = server.audit(kind="accounting")
        assert [None, alice.name, None] == [record.get("user") for record in records]
        assert ["a session", "another", "another"] == [record["accounting_session"] for record in records]
        assert 2 == server.metric("radius_voice_accounting_total", client="gateway", status="start")
        assert 1 == server.metric("radius_voice_accounting_total", client="gateway", status="stop")
        assert "password typed" not in (server.directory / "audit.jsonl").read_text()


def test_the_timeline_of_a_login_has_the_accounting_that_follows(start_server, alice):
    name = alice.name.encode()
    with start_server(CONFIGURATION, [alice]) as server, accounting_port(server) as exchange:
        log_in(server, alice)
        for octets in (event(user=name), event(START, b"another", name), event(STOP, user=name)):
            assert ACCOUNTING_RESPONSE == exchange(octets).code
        (accepted,) = server.audit(reason="code_correct")
        shown = CliRunner().invoke(main, ["audit", "show", "-c", str(server.path), accepted["session"]])
        assert 0 == shown.exit_code, shown.output
        accounting = [line.partition("  ")[2] for line in shown.stdout.splitlines() if "Z  accounting " in line]
        assert [
            f"accounting   {alice.name} at gateway: start of session a session",
            f"accounting   {alice.name} at gateway: stop of session a session",
        ] == accounting


def test_two_workers_share_the_names_of_accepted_users(simulator, tmp_path, alice):
    configuration = CONFIGURATION.replace("server: {", "server: {workers: 2, ")
    workers = WorkersProcess(tmp_path, simulator, configuration, [alice])
    try:
        log_in(workers, alice)
        for number in range(8):
            with accounting_port(workers) as exchange:
                exchange(event(session=b"%d" % number, user=alice.name.encode()))
        assert [alice.name] * 8 == [record["user"] for record in workers.audit(kind="accounting")]
        assert 8 == workers.metric("radius_voice_accounting_total", client="gateway", status="start")
    finally:
        assert 0 == workers.stop()


def test_a_full_disk_leaves_a_request_without_a_response(start_server, alice):
    with start_server(f"{CONFIGURATION}audit: {{path: /dev/full}}\n", [alice]) as server:
        (server.directory / "audit.jsonl").touch()  # the test's own check reads it
        with accounting_port(server) as exchange:
            status = radius.encode_request(radius.STATUS_SERVER, 9, secrets.token_bytes(16), [], SECRET)
            with socket.socket(type=socket.SOCK_DGRAM) as sock:
                sock.sendto(event(), ("127.0.0.1", server.ports[1]))
                assert ACCOUNTING_RESPONSE == exchange(status).code
                sock.setblocking(False)
                with pytest.raises(BlockingIOError):
                    sock.recv(4096)
        assert 1 == server.metric("radius_voice_discards_total", client="gateway", reason="not_recorded")
        assert 0 == server.metric("radius_voice_accounting_total", client="gateway")


# In process


class AccountingServer:
    """`Accounting` without sockets. `is_full` makes records impossible."""

    def __init__(self, *, secrets=(SECRET,), responds_to_status=True, taps=()):
        self.clock = Clock()
        self.store = MemoryStore(self.clock)
        self.names = AcceptedNames(self.store, Keys(b"k" * 32).accepted_name)
        self.records: list[Any] = []
        self.replies: list[bytes] = []
        self.is_full = False
        client = Client("vpn", secrets, Require.YES, "default", 2.5, ())
        clients = Clients([(ip_network("192.0.2.0/24"), client)])
        recorder = Recorder(self.records.append, Taps(*taps), self.clock, self.clock, TrafficReport())
        self.accounting = Accounting(
            clients.find, self.names, self._record, recorder, self.clock, self.clock, lambda: responds_to_status
        )

    def _record(self, record):
        if not self.is_full:
            self.records.append(record)
        return not self.is_full

    def send(self, octets, port=40000):
        peer = ("192.0.2.1", port)
        client = self.accounting.client_at(peer[0])
        assert client is not None
        self.accounting.receive(octets, client, peer, 1, self.replies.append)

    async def exchange(self, octets, port=40000):
        """The replies to one datagram."""
        self.replies.clear()
        self.send(octets, port)
        await self.accounting.drain()
        await asyncio.sleep(0)
        return [radius.decode(reply) for reply in self.replies]

    def discards(self):
        return [record.reason for record in self.records if isinstance(record, DiscardRecord)]

    def recorded(self):
        return [record for record in self.records if isinstance(record, AccountingRecord)]


async def test_the_same_request_is_recorded_once_and_answered_each_time_from_whatever_port():
    server = AccountingServer()
    replies = [await server.exchange(event(), port) for port in (40000, 40000, 40001)]
    assert 1 == len({reply.raw for (reply,) in replies})
    assert 1 == len(server.recorded())
    assert 2 == len([record for record in server.records if isinstance(record, ResendRecord)])
    server.clock.now += KEPT_SECONDS
    await server.exchange(event())
    assert 2 == len(server.recorded())


async def test_a_limited_number_of_requests_is_kept(monkeypatch):
    monkeypatch.setattr("radius_voice.server.accounting.MAX_KEPT", 2)
    server = AccountingServer()
    for session in (b"1", b"2", b"3", b"2", b"1"):
        await server.exchange(event(session=session))
    assert ["1", "2", "3", "1"] == [record.accounting_session for record in server.recorded()]


async def test_a_request_that_could_not_be_recorded_is_recorded_when_it_is_sent_again():
    server = AccountingServer()
    server.is_full = True
    assert [] == await server.exchange(event())
    assert [Discard.NOT_RECORDED] == server.discards()
    server.is_full = False
    assert 1 == len(await server.exchange(event()))
    assert 1 == len(server.recorded())


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (event(secret=b"another secret"), Discard.BAD_REQUEST_AUTHENTICATOR),
        (b"not a packet", Discard.MALFORMED),
        (event(code=radius.ACCESS_REQUEST), Discard.WRONG_CODE),
        (event(code=radius.STATUS_SERVER), Discard.NO_MESSAGE_AUTHENTICATOR),
        (
            radius.encode_request(radius.STATUS_SERVER, 1, bytes(16), [], b"another secret"),
            Discard.BAD_MESSAGE_AUTHENTICATOR,
        ),
    ],
    ids=["secret", "malformed", "code", "Status-Server unsigned", "Status-Server secret"],
)
async def test_packets_that_are_no_authentic_request_are_discarded(octets, reason):
    server = AccountingServer()
    assert [] == await server.exchange(octets)
    assert [reason] == server.discards()
    assert [] == server.recorded()


async def test_a_response_uses_the_secret_of_its_request():
    server, octets = AccountingServer(secrets=(b"the new secret", SECRET)), event()
    (reply,) = await server.exchange(octets)
    assert reply.authenticator == md5(reply.raw[:4] + octets[4:20] + SECRET).digest()


@pytest.mark.parametrize("responds", [True, False])
async def test_status_server_gets_a_response_if_that_is_on(responds):
    server = AccountingServer(responds_to_status=responds)
    replies = await server.exchange(radius.encode_request(radius.STATUS_SERVER, 1, bytes(16), [], SECRET))
    assert [ACCOUNTING_RESPONSE] * responds == [reply.code for reply in replies]
    assert [] == server.records


async def test_unknown_addresses_are_discarded():
    server = AccountingServer()
    server.accounting.discard_unknown(("203.0.113.9", 40000))
    assert [Discard.UNKNOWN_CLIENT] == server.discards()


async def test_a_copy_of_a_request_in_progress_is_discarded_and_so_is_one_too_many():
    server = AccountingServer()
    for number in range(MAX_IN_PROGRESS):
        server.send(event(session=b"%d" % number))
    server.send(event(session=b"0"))
    server.send(event(session=b"one too many"))
    await server.accounting.drain()
    assert [Discard.DUPLICATE, Discard.OVERLOAD] == server.discards()
    assert MAX_IN_PROGRESS == len(server.recorded()) == len(server.replies)


async def test_names_are_those_of_users_who_were_accepted_at_the_same_client():
    server = AccountingServer()
    await server.names.add("vpn", "CORP\\Bob", "bob")
    await server.names.add("another", "carol", "carol")
    for name in (b"corp\\bob", b"bob", b"carol"):
        await server.exchange(event(user=name))
    assert ["bob", "bob", ""] == [record.user for record in server.recorded()]


async def test_records_have_no_name_while_the_store_is_unavailable(monkeypatch):
    async def unavailable(*words):
        raise Unavailable("store", "down")

    server = AccountingServer()
    await server.names.add("vpn", "bob", "bob")
    monkeypatch.setattr(server.store, "get", unavailable)
    monkeypatch.setattr(server.store, "put", unavailable)
    await server.names.add("vpn", "carol", "carol")
    assert 1 == len(await server.exchange(event(user=b"bob")))
    assert [""] == [record.user for record in server.recorded()]


async def test_debug_output_gets_every_packet_and_its_result():
    class Tap:
        def __init__(self):
            self.seen = []

        def received(self, client, peer, octets):
            self.seen.append("received")

        def decided(self, peer, packet, record):
            self.seen.append(type(record).__name__)

        def sent(self, client, peer, octets):
            self.seen.append("sent")

    tap = Tap()
    await AccountingServer(taps=[tap]).exchange(event())
    assert ["received", "AccountingRecord", "sent"] == tap.seen
