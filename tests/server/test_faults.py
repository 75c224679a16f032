"""Hostile input and failing resources: the process keeps running, its memory stays bounded, and users log in."""

import os
import random
import secrets
import sqlite3
from pathlib import Path

import pytest

from radius_voice.radius import packet as radius
from radius_voice.radius.packet import encode_request
from tests.support.network import http_get

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
  hostile: {address: 127.0.0.2, secret: another secret of the tests}
"""
COPIES = 200
DATAGRAMS = 1_000_000 if os.environ.get("RADIUS_VOICE_LONG") else 30_000
HOSTILE = b"another secret of the tests"


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(3)]


def log_in(server, user):
    """A complete login through a gateway."""
    gateway = server.client()
    challenge = gateway.start_login(user)
    assert radius.ACCESS_CHALLENGE == challenge.code
    return gateway.respond(user, challenge, server.simulator.code(user.phone)).code


def resident(server):
    """Octets of memory that the server uses."""
    fields = Path(f"/proc/{server.process.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def flood(server, datagrams, source="127.0.0.2"):
    """Send datagrams without waiting for replies, but not faster than the server reads them."""
    gateway = server.client(source)
    for number, datagram in enumerate(datagrams):
        gateway.send(datagram)
        if number % 200 == 199:
            server.wait_until_processed()
    server.wait_until_processed()


def mutations(count, seed):
    """Datagrams that are nearly good."""
    rng = random.Random(seed)
    golden = encode_request(1, 7, bytes(16), [(1, b"alice"), (2, bytes(16)), (31, b"1"), (24, b"s" * 32)], HOSTILE)
    for _ in range(count):
        octets = bytearray(golden)
        for _ in range(rng.randint(1, 6)):
            octets[rng.randrange(len(octets))] = rng.randrange(256)
        cut = rng.choice([len(octets), len(octets), rng.randrange(len(octets) + 1)])
        yield bytes(octets[:cut]) + rng.choice([b"", b"", rng.randbytes(rng.randrange(40))])


def test_mutated_datagrams_leave_memory_and_logins_intact(start_server, users):
    seed = secrets.randbits(32)
    with start_server(CONFIGURATION, users) as server:
        flood(server, mutations(2000, seed))
        before = resident(server)
        flood(server, mutations(DATAGRAMS, seed + 1))
        grown = resident(server) - before
        assert radius.ACCESS_ACCEPT == log_in(server, users[0])
        assert grown < 16 << 20, f"grew by {grown} octets; seed {seed}"
        dropped = server.metric("radius_voice_discards_total", client="hostile")
        assert 0.9 * DATAGRAMS < dropped


@pytest.mark.parametrize(
    ("source", "secret", "reason"),
    [
        ("127.0.0.9", b"whatever", "unknown_client"),
        ("127.0.0.2", b"not the secret", "bad_message_authenticator"),
    ],
)
def test_a_flood_of_unauthenticated_packets_blocks_no_login(start_server, users, source, secret, reason):
    datagrams = [
        encode_request(1, n % 256, secrets.token_bytes(16), [(1, b"x"), (2, bytes(16))], secret) for n in range(5000)
    ]
    with start_server(CONFIGURATION, users) as server:
        flood(server, datagrams, source)
        assert radius.ACCESS_ACCEPT == log_in(server, users[0])
        assert 5000 <= server.metric("radius_voice_discards_total", reason=reason)
        assert 10 > len(server.audit(kind="discarded", reason=reason)), "a flood must not fill the disk"


def test_a_flood_of_status_server_from_a_client_blocks_no_login(start_server, users):
    datagrams = [encode_request(12, n % 256, secrets.token_bytes(16), [], HOSTILE) for n in range(3000)]
    with start_server(CONFIGURATION, users) as server:
        flood(server, datagrams)
        assert radius.ACCESS_ACCEPT == log_in(server, users[0])
        assert 3000 <= server.metric("radius_voice_reasons_total", reason="status")


def test_a_flood_of_wrong_passwords_is_limited_and_blocks_no_other_user(start_server, users):
    alice, bob, _ = users
    with start_server(CONFIGURATION, users) as server:
        hostile = server.client("127.0.0.2", secret=HOSTILE)
        station = (radius.CALLING_STATION_ID, b"203.0.113.66")
        for number in range(200):
            hostile.send(hostile.request([(radius.USER_NAME, b"user%d" % number), station], "guess"))
        assert radius.ACCESS_ACCEPT == log_in(server, bob)
        for _ in range(20):
            hostile.send(hostile.request([(radius.USER_NAME, alice.name.encode())], "guess"))
        assert radius.ACCESS_ACCEPT == log_in(server, users[2])
        server.wait_until_processed()
        verified = server.metric("radius_voice_reasons_total", reason="unknown_user")
        limited = server.metric("radius_voice_reasons_total", reason="wrong_password_limit")
        assert 30 >= verified, "more guesses from one place than its limit"
        assert 100 <= limited


@pytest.mark.parametrize("kind", ["wrong password", "Status-Server"])
def test_copies_of_one_packet_are_all_counted_and_fill_no_disk(start_server, users, kind):
    with start_server(CONFIGURATION, users) as server:
        recorded = server.client()
        if kind == "Status-Server":
            datagram = recorded.request([], code=radius.STATUS_SERVER)
        else:
            datagram = recorded.request([(radius.USER_NAME, users[0].name.encode())], "not the password")
        senders = [server.client() for _ in range(COPIES)]
        for sender in senders:
            sender.send(datagram)
        for sender in senders:
            assert sender.sock.recv(8192)
        counted = server.metric("radius_voice_requests_total", client="gateway")
        assert COPIES == counted, "metrics count every packet"
        server.stop()
        records = [record for record in server.audit(kind="request") if record["identifier"] == datagram[1]]
        results = {(record["outcome"], record["reason"]) for record in records}
        assert COPIES == sum(record.get("repeated", 1) for record in records)
        assert 2 * len(results) >= len(records)
        assert 2 * len(results) >= len([line for line in server.stderr if "rejected" in line])


def test_a_full_disk_of_the_audit_log_blocks_no_login_and_is_logged(start_server, users, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with start_server(CONFIGURATION, users) as server:
        full = CONFIGURATION + "audit: {path: /dev/full}\n"
    with start_server(full, users[1:]) as server:
        (server.directory / "audit.jsonl").touch()
        gateway = server.client()
        challenge = gateway.start_login(users[1])
        accept = gateway.respond(users[1], challenge, server.simulator.code(users[1].phone))
        assert radius.ACCESS_ACCEPT == accept.code
        assert 2 <= server.metric("radius_voice_audit_failures_total")
        server.wait_for_line("No space left on device", server.stderr)


def test_a_locked_store_gives_no_response_until_it_is_unlocked(start_server, users):
    with start_server(CONFIGURATION, users) as server:
        gateway = server.client()
        other = sqlite3.connect(server.directory / "state" / "state.db")
        other.execute("BEGIN IMMEDIATE")
        gateway.send(gateway.initial_request(users[0]))
        server.wait_for_line("store_unavailable", server.stderr)
        assert "database is locked" in http_get(f"{server.admin}/readyz")[1]
        other.rollback()
        other.close()
        assert 200 == http_get(f"{server.admin}/readyz")[0]
        assert radius.ACCESS_ACCEPT == log_in(server, users[0])
        assert gateway.received_nothing()
        assert 1 == len(server.audit(reason="store_unavailable"))
        assert 1 == len(server.simulator.calls(users[0].phone))


def test_an_overload_of_new_logins_lets_challenge_responses_through(start_server, users, slow_simulator):
    alice, bob, carol = users
    few = CONFIGURATION.replace("reject_delay: 0.2s", "reject_delay: 0.2s, max_concurrent: 2, max_queued: 8")
    with start_server(few, users, simulator=slow_simulator) as server:
        gateway, attacker = server.client(), server.client()
        challenge = gateway.start_login(alice)
        answer = gateway.challenge_response(alice, challenge, slow_simulator.code(alice.phone))
        others = [server.client(), server.client()]
        for other, user in zip(others, (bob, carol), strict=True):
            other.send(other.initial_request(user))
        server.wait_until_processed()  # both are in progress, which is the maximum
        for number in range(400):
            attacker.send(attacker.request([(radius.USER_NAME, b"user%d" % number)], "guess"))
        server.wait_until_processed()
        gateway.send(answer)
        assert radius.ACCESS_ACCEPT == gateway.receive().code
        assert ["call_placed", "code_correct"] == server.reasons(alice)
        assert {radius.ACCESS_CHALLENGE} == {other.receive().code for other in others}
        shed = server.metric("radius_voice_discards_total", client="gateway", reason="overload")
        assert 380 < shed, "what does not fit is dropped and counted"
        assert 10 > len(server.audit(kind="discarded", reason="overload")), "and does not fill the disk"
        server.wait_for_line("overload", server.stderr)


def test_floods_from_unknown_addresses_use_no_memory(start_server, users):
    """Packets from unknown addresses, each address once: memory must not grow with them."""
    with start_server(CONFIGURATION, users) as server:
        flood(server, (secrets.token_bytes(20) for _ in range(2000)), "127.0.0.9")
        before = resident(server)
        for number in range(60):
            flood(server, (secrets.token_bytes(40) for _ in range(100)), f"127.1.{number}.9")
        assert resident(server) - before < 4 << 20
        assert 8000 <= server.metric("radius_voice_discards_total", reason="unknown_client")
        assert radius.ACCESS_ACCEPT == log_in(server, users[0])
