"""Hostile input and broken surroundings: the process stands, its memory stays flat, honest people get in."""

import os
import random
import secrets
import sqlite3
from pathlib import Path

import pytest

from radius_voice.radius import packet as radius
from radius_voice.radius.packet import encode_request
from tests.server.house import get

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
def people(make_person):
    return [make_person() for _ in range(3)]


def log_in(house, person):
    """A whole login by an honest gateway."""
    gateway = house.gateway()
    challenge = gateway.begin(person)
    assert radius.ACCESS_CHALLENGE == challenge.code
    return gateway.answer(person, challenge, house.phones.code(person.phone)).code


def resident(house):
    """Octets of memory that the server uses."""
    fields = Path(f"/proc/{house.process.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def flood(house, datagrams, source="127.0.0.2"):
    """Send datagrams without waiting for answers, but never faster than the server reads them."""
    gateway = house.gateway(source)
    for number, datagram in enumerate(datagrams):
        gateway.send(datagram)
        if number % 200 == 199:
            house.settled()
    house.settled()


def mutations(count, seed):
    """Datagrams that are nearly good."""
    chance = random.Random(seed)
    golden = encode_request(1, 7, bytes(16), [(1, b"alice"), (2, bytes(16)), (31, b"1"), (24, b"s" * 32)], HOSTILE)
    for _ in range(count):
        octets = bytearray(golden)
        for _ in range(chance.randint(1, 6)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        cut = chance.choice([len(octets), len(octets), chance.randrange(len(octets) + 1)])
        yield bytes(octets[:cut]) + chance.choice([b"", b"", chance.randbytes(chance.randrange(40))])


def test_mutated_datagrams_leave_no_trace(start, people):
    seed = secrets.randbits(32)
    with start(CONFIGURATION, people) as house:
        flood(house, mutations(2000, seed))
        before = resident(house)
        flood(house, mutations(DATAGRAMS, seed + 1))
        grown = resident(house) - before
        assert radius.ACCESS_ACCEPT == log_in(house, people[0])
        assert grown < 16 << 20, f"grew by {grown} octets; seed {seed}"
        dropped = house.metric("radius_voice_discards_total", client="hostile")
        assert 0.9 * DATAGRAMS < dropped


@pytest.mark.parametrize(
    ("source", "secret", "reason"),
    [
        ("127.0.0.9", b"whatever", "unknown_client"),
        ("127.0.0.2", b"not the secret", "bad_message_authenticator"),
    ],
)
def test_a_flood_that_nobody_signed_stops_nobody(start, people, source, secret, reason):
    datagrams = [
        encode_request(1, n % 256, secrets.token_bytes(16), [(1, b"x"), (2, bytes(16))], secret) for n in range(5000)
    ]
    with start(CONFIGURATION, people) as house:
        flood(house, datagrams, source)
        assert radius.ACCESS_ACCEPT == log_in(house, people[0])
        assert 5000 <= house.metric("radius_voice_discards_total", reason=reason)
        assert 10 > len(house.audit(kind="discarded", reason=reason)), "a flood must not fill the disk"


def test_a_flood_of_status_server_from_a_client_stops_nobody(start, people):
    datagrams = [encode_request(12, n % 256, secrets.token_bytes(16), [], HOSTILE) for n in range(3000)]
    with start(CONFIGURATION, people) as house:
        flood(house, datagrams)
        assert radius.ACCESS_ACCEPT == log_in(house, people[0])
        assert 3000 <= house.metric("radius_voice_reasons_total", reason="status")


def test_a_flood_of_wrong_passwords_stops_at_the_limits_and_nobody_else(start, people):
    anne, bob, _ = people
    with start(CONFIGURATION, people) as house:
        hostile = house.gateway("127.0.0.2", secret=HOSTILE)
        station = (radius.CALLING_STATION_ID, b"203.0.113.66")
        for number in range(200):
            hostile.send(hostile.request([(radius.USER_NAME, b"user%d" % number), station], "guess"))
        assert radius.ACCESS_ACCEPT == log_in(house, bob)
        for _ in range(20):
            hostile.send(hostile.request([(radius.USER_NAME, anne.name.encode())], "guess"))
        assert radius.ACCESS_ACCEPT == log_in(house, people[2])
        house.settled()
        verified = house.metric("radius_voice_reasons_total", reason="unknown_user")
        limited = house.metric("radius_voice_reasons_total", reason="failure_limit")
        assert 30 >= verified, "more guesses from one place than its limit"
        assert 100 <= limited


@pytest.mark.parametrize("kind", ["wrong password", "Status-Server"])
def test_one_packet_that_is_sent_again_and_again_fills_no_disk_and_every_copy_is_counted(start, people, kind):
    with start(CONFIGURATION, people) as house:
        recorded = house.gateway()
        if kind == "Status-Server":
            datagram = recorded.request([], code=radius.STATUS_SERVER)
        else:
            datagram = recorded.request([(radius.USER_NAME, people[0].name.encode())], "not the password")
        senders = [house.gateway() for _ in range(COPIES)]
        for sender in senders:
            sender.send(datagram)
        for sender in senders:
            assert sender.sock.recv(8192)
        counted = house.metric("radius_voice_requests_total", client="gateway")
        assert COPIES == counted, "metrics count every packet"
        house.stop()
        records = [record for record in house.audit(kind="request") if record["identifier"] == datagram[1]]
        results = {(record["outcome"], record["reason"]) for record in records}
        assert COPIES == sum(record.get("repeated", 1) for record in records)
        assert 2 * len(results) >= len(records)
        assert 2 * len(results) >= len([line for line in house.stderr if "rejected" in line])


def test_an_audit_log_on_a_full_disk_stops_nobody_and_is_loud(start, people, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with start(CONFIGURATION, people) as house:
        full = CONFIGURATION + "audit: {path: /dev/full}\n"
    with start(full, people[1:]) as house:
        (house.folder / "audit.jsonl").touch()
        gateway = house.gateway()
        challenge = gateway.begin(people[1])
        accept = gateway.answer(people[1], challenge, house.phones.code(people[1].phone))
        assert radius.ACCESS_ACCEPT == accept.code
        assert 2 <= house.metric("radius_voice_audit_failures_total")
        house.line("No space left on device", house.stderr)


def test_a_store_that_somebody_locks_is_silence_and_heals(start, people):
    with start(CONFIGURATION, people) as house:
        gateway = house.gateway()
        other = sqlite3.connect(house.folder / "state" / "state.db")
        other.execute("BEGIN IMMEDIATE")
        gateway.send(gateway.first(people[0]))
        house.line("store_unavailable", house.stderr)
        assert "database is locked" in get(f"{house.admin}/readyz")[1]
        other.rollback()
        other.close()
        assert 200 == get(f"{house.admin}/readyz")[0]
        assert radius.ACCESS_ACCEPT == log_in(house, people[0])
        assert gateway.silent()
        assert 1 == len(house.audit(reason="store_unavailable"))
        assert 1 == len(house.phones.calls(people[0].phone))


def test_a_flood_of_new_logins_beyond_the_cap_lets_answers_through(start, people, slow_phones):
    anne, bob, carl = people
    few = CONFIGURATION.replace("reject_delay: 0.2s", "reject_delay: 0.2s, max_in_flight: 2, max_waiting: 8")
    with start(few, people, phones=slow_phones) as house:
        gateway, crowd = house.gateway(), house.gateway()
        challenge = gateway.begin(anne)
        answer = gateway.second(anne, challenge, slow_phones.code(anne.phone))
        others = [house.gateway(), house.gateway()]
        for other, person in zip(others, (bob, carl), strict=True):
            other.send(other.first(person))
        house.settled()  # both are in flight, as many as may be
        for number in range(400):
            crowd.send(crowd.request([(radius.USER_NAME, b"user%d" % number)], "guess"))
        house.settled()
        gateway.send(answer)
        assert radius.ACCESS_ACCEPT == gateway.receive().code
        assert ["called", "code_right"] == house.reasons(anne)
        assert {radius.ACCESS_CHALLENGE} == {other.receive().code for other in others}
        shed = house.metric("radius_voice_discards_total", client="gateway", reason="overload")
        assert 380 < shed, "what does not fit is dropped and counted"
        assert 10 > len(house.audit(kind="discarded", reason="overload")), "and does not fill the disk"
        house.line("overload", house.stderr)


def test_no_flood_of_strangers_takes_memory(start, people):
    """Addresses that nobody knows, each once: what is remembered of them must not grow."""
    with start(CONFIGURATION, people) as house:
        flood(house, (secrets.token_bytes(20) for _ in range(2000)), "127.0.0.9")
        before = resident(house)
        for number in range(60):
            flood(house, (secrets.token_bytes(40) for _ in range(100)), f"127.1.{number}.9")
        assert resident(house) - before < 4 << 20
        assert 8000 <= house.metric("radius_voice_discards_total", reason="unknown_client")
        assert radius.ACCESS_ACCEPT == log_in(house, people[0])
