"""Which packets are believed: addresses, shared secrets, Message-Authenticator; and what is counted of the others."""

import json
import secrets
import signal

import pytest

from radius_voice.radius import packet as radius
from radius_voice.radius.password import hide
from tests.server.house import SECRET, Gateway, get

CONFIGURATION = """\
server:
  listen: ["udp://0.0.0.0:0", "udp://[::1]:0"]
  reject_delay: 0.2s
clients:
  gateway: {address: ["127.0.0.1", "::1"], secret: a shared secret of the tests}
  rotating: {address: 127.0.0.2, secret: ["the old secret of the gateway", "the new secret of the gateway"]}
  unsigned: {address: 127.0.0.3, secret: a shared secret of the tests, require_message_authenticator: no}
  auto: {address: [127.0.0.4, 127.0.0.5], secret: a shared secret of the tests, require_message_authenticator: auto}
  campus: {address: 127.0.1.0/24, secret: the secret of the whole campus}
  building: {address: 127.0.1.128/25, secret: the secret of one building}
  room: {address: 127.0.1.200, secret: the secret of a single room}
limits:
  calls: {client: off, all: off}
policies:
  default: {}
"""
STRANGER = "127.9.9.9"
UNSIGNED = "127.0.0.3"


@pytest.fixture(scope="module")
def pool(make_person):
    return [make_person() for _ in range(32)]


@pytest.fixture(scope="module")
def house(start, pool):
    with start(CONFIGURATION, pool) as house:
        yield house


@pytest.fixture
def person(pool):
    return pool.pop()


@pytest.fixture
def discards(house):
    """How many datagrams were discarded since the test began, by client and reason."""

    def counted():
        samples = house.samples("radius_voice_discards_total")
        return {(sample.labels["client"], sample.labels["reason"]): sample.value for sample in samples}

    before = counted()

    def since():
        house.settled()
        now = counted()
        return {pair: now[pair] - before.get(pair, 0) for pair in now if now[pair] != before.get(pair, 0)}

    return since


def log_in(house, gateway, person, **how):
    """The code of the reply to the right code."""
    challenge = gateway.begin(person, **how)
    assert radius.ACCESS_CHALLENGE == challenge.code
    state = (radius.STATE, challenge.first(radius.STATE))
    name = (radius.USER_NAME, person.name.encode())
    return gateway.ask([name, state], house.phones.code(person.phone), **how).code


def test_an_unknown_address_hears_nothing_and_is_counted(house, person, discards):
    stranger = house.gateway(STRANGER)
    stranger.send(stranger.first(person))
    stranger.send(stranger.request([], code=radius.STATUS_SERVER))
    assert {("", "unknown_client"): 2} == discards()
    assert stranger.silent()
    assert [] == house.phones.calls(person.phone)


def test_a_wrong_secret_hears_nothing_and_is_counted(house, person, discards):
    gateway = house.gateway(secret=b"another secret than that")
    gateway.send(gateway.first(person))
    gateway.send(gateway.request([], code=radius.STATUS_SERVER))
    assert {("gateway", "bad_message_authenticator"): 2} == discards()
    assert gateway.silent()
    assert [] == house.phones.calls(person.phone)


def test_a_changed_octet_anywhere_makes_a_packet_not_worth_an_answer(house, person, discards):
    gateway = house.gateway()
    first = gateway.first(person)
    for place in range(len(first)):
        gateway.send(first[:place] + bytes((first[place] ^ 1,)) + first[place + 1 :])
    counted = discards()
    assert len(first) == sum(counted.values())
    assert gateway.silent()
    assert [] == house.phones.calls(person.phone)


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x01", bytes(19), bytes(20), b"\x01\x01\x00\x13" + bytes(16), b"\x01\x01\xff\xff" + bytes(5000)],
    ids=["empty", "one", "19", "no length", "short length", "long"],
)
def test_malformed_octets_hear_nothing_and_are_counted(house, discards, octets):
    gateway = house.gateway()
    gateway.send(octets)
    assert {("gateway", "malformed"): 1} == discards()
    assert gateway.silent()


def test_octets_past_the_length_are_padding(house, person):
    gateway = house.gateway()
    gateway.send(gateway.first(person) + bytes(50))
    assert radius.ACCESS_CHALLENGE == gateway.receive().code


@pytest.mark.parametrize("code", [2, 3, 4, 11, 40, 255])
def test_other_codes_on_this_port_hear_nothing(house, discards, code):
    gateway = house.gateway()
    gateway.send(gateway.request([(radius.USER_NAME, b"x")], "x", code=code))
    assert {("gateway", "wrong_code"): 1} == discards()
    assert gateway.silent()


def test_status_server_is_answered_by_an_accept_without_any_user(house):
    reply = house.gateway().status()
    assert radius.ACCESS_ACCEPT == reply.code
    assert [radius.MESSAGE_AUTHENTICATOR] == [kind for kind, _ in reply.attributes]


def test_status_server_must_be_signed_also_where_nothing_else_must(house, discards):
    gateway = house.gateway("127.0.0.3")
    gateway.send(gateway.request([], code=radius.STATUS_SERVER, signed=False))
    assert {("unsigned", "no_message_authenticator"): 1} == discards()
    assert gateway.silent()


def test_eap_must_be_signed_also_where_nothing_else_must(house, discards):
    gateway = house.gateway("127.0.0.3")
    gateway.send(gateway.request([(radius.USER_NAME, b"x"), (radius.EAP_MESSAGE, b"\2\1\0\5\1")], signed=False))
    assert {("unsigned", "no_message_authenticator"): 1} == discards()
    assert gateway.silent()


def test_a_packet_without_message_authenticator_hears_nothing_by_default(house, person, discards):
    gateway = house.gateway()
    gateway.send(gateway.first(person, signed=False))
    assert {("gateway", "no_message_authenticator"): 1} == discards()
    assert gateway.silent()
    assert [] == house.phones.calls(person.phone)


def test_a_packet_without_message_authenticator_is_answered_where_that_is_allowed(house, person):
    gateway = house.gateway("127.0.0.3")
    assert radius.ACCESS_ACCEPT == log_in(house, gateway, person, signed=False)
    (record,) = house.audit(user=person.name, reason="called")
    assert "no_message_authenticator" in [step["name"] for step in record["steps"]]


def test_a_wrong_message_authenticator_is_discarded_also_where_none_is_needed(house, person, discards):
    gateway = house.gateway("127.0.0.3", secret=b"another secret than that")
    gateway.send(gateway.first(person))
    assert {("unsigned", "bad_message_authenticator"): 1} == discards()


def test_auto_believes_unsigned_packets_of_an_address_until_one_is_signed(house, pool, discards):
    early, signs, late = pool.pop(), pool.pop(), pool.pop()
    gateway, neighbour = house.gateway("127.0.0.4"), house.gateway("127.0.0.5")
    assert radius.ACCESS_ACCEPT == log_in(house, gateway, early, signed=False)
    forged = house.gateway("127.0.0.4", secret=b"another secret than that")
    forged.send(forged.first(signs))
    assert radius.ACCESS_REJECT == gateway.ask([(radius.USER_NAME, b"nobody")], "x", signed=False).code
    assert radius.ACCESS_ACCEPT == log_in(house, gateway, signs)
    gateway.send(gateway.first(late, signed=False))
    expected = {("auto", "bad_message_authenticator"): 1, ("auto", "no_message_authenticator"): 1}
    assert expected == discards()
    assert gateway.silent()
    assert radius.ACCESS_CHALLENGE == neighbour.begin(late, signed=False).code, "a neighbour of the same entry"


def spoofed(datagram):
    """A request of an attacker who guessed address, port and identifier of a genuine one."""
    attributes = datagram[20:]
    if attributes[0] == radius.MESSAGE_AUTHENTICATOR:
        attributes = attributes[18:]
    return datagram[:2] + (20 + len(attributes)).to_bytes(2) + secrets.token_bytes(16) + attributes


def replies_to(gateway, *datagrams):
    """The codes of as many replies as there are requests, by the request whose Request Authenticator they were made for."""
    replies = [radius.decode(gateway.sock.recv(8192)) for _ in datagrams]
    return [
        [reply.code for reply in replies if radius.verify_reply(reply, datagram[4:20], SECRET)]
        for datagram in datagrams
    ]


@pytest.mark.parametrize("signed", [False, True])
def test_a_spoofed_request_suppresses_no_answer_to_a_genuine_one(house, person, signed):
    gateway = house.gateway(UNSIGNED)
    genuine = gateway.first(person, signed=signed)
    gateway.send(genuine)
    gateway.send(forged := spoofed(genuine))
    assert [[radius.ACCESS_CHALLENGE], [radius.ACCESS_REJECT]] == replies_to(gateway, genuine, forged)


def test_spoofed_requests_before_a_genuine_one_suppress_no_answer_as_long_as_they_are_three(house, person, discards):
    gateway = house.gateway(UNSIGNED)
    genuine = gateway.first(person, signed=False)
    forged = [spoofed(genuine) for _ in range(3)]
    for datagram in (*forged, genuine):
        gateway.send(datagram)
    expected = [*[[radius.ACCESS_REJECT]] * 3, [radius.ACCESS_CHALLENGE]]
    assert expected == replies_to(gateway, *forged, genuine)
    assert {} == discards()


def test_a_fifth_request_under_one_identifier_is_discarded_and_counted_and_the_four_are_answered(
    house, person, discards
):
    gateway = house.gateway(UNSIGNED)
    genuine = gateway.first(person, signed=False)
    forged = [spoofed(genuine) for _ in range(4)]
    for datagram in (genuine, *forged):
        gateway.send(datagram)
    expected = [[radius.ACCESS_CHALLENGE], *[[radius.ACCESS_REJECT]] * 3]
    assert expected == replies_to(gateway, genuine, *forged[:3])
    assert {("unsigned", "identifier_in_use"): 1} == discards()
    gateway.send(genuine)
    assert [[radius.ACCESS_CHALLENGE]] == replies_to(gateway, genuine), "a retransmission finds its answer"
    assert gateway.silent()
    assert 1 == len(house.phones.calls(person.phone))


@pytest.mark.parametrize("secret", [b"the old secret of the gateway", b"the new secret of the gateway"])
def test_while_a_secret_is_being_changed_both_are_good_and_answers_use_the_one_that_asked(house, person, secret):
    assert radius.ACCESS_ACCEPT == log_in(house, house.gateway("127.0.0.2", secret=secret), person)


def uses(house, client):
    samples = house.samples("radius_voice_secret_uses_total")
    return {sample.labels["secret"]: sample.value for sample in samples if sample.labels["client"] == client}


@pytest.mark.parametrize(
    ("number", "secret"), [(1, b"the old secret of the gateway"), (2, b"the new secret of the gateway")]
)
def test_while_a_secret_is_being_changed_audit_and_metric_say_which_one_a_client_uses(house, person, number, secret):
    before = uses(house, "rotating")
    gateway = house.gateway("127.0.0.2", secret=secret)
    log_in(house, gateway, person)
    gateway.status()
    used = {**before, str(number): before[str(number)] + 3}
    assert used == uses(house, "rotating")
    assert [number] * 2 == [record["secret"] for record in house.audit(client="rotating", user=person.name)]
    assert house.audit(client="rotating", reason="status", secret=number)


def test_a_secret_is_changed_in_service_and_audit_and_metric_say_when_the_old_one_may_go(start, pool):
    old, new = b"the old secret of the gateway", b"the new secret of the gateway"

    def configuration(secrets):
        return CONFIGURATION.replace('["the old secret of the gateway", "the new secret of the gateway"]', secrets)

    person = pool.pop()
    with start(configuration(old.decode()), [person]) as house:
        before, after = house.gateway("127.0.0.2", secret=old), house.gateway("127.0.0.2", secret=new)
        before.status()
        assert {} == uses(house, "rotating")
        house.write(configuration(f"[{old.decode()}, {new.decode()}]"))
        house.send_signal(signal.SIGHUP)
        house.line("reloaded", house.stderr)
        before.status()
        assert {"1": 1, "2": 0} == uses(house, "rotating")
        after.status()
        assert radius.ACCESS_ACCEPT == log_in(house, after, person)
        assert {"1": 1, "2": 3} == uses(house, "rotating")
        house.write(configuration(new.decode()))
        house.send_signal(signal.SIGHUP)
        house.line("reloaded", house.stderr, times=2)
        before.send(before.request([], code=radius.STATUS_SERVER))
        after.status()
        assert before.silent()
        secrets = [record.get("secret") for record in house.audit(kind="request", client="rotating")]
        assert [None, 1, 2, 2, 2, None] == secrets


def test_of_a_client_with_one_secret_nothing_is_said_about_which(house, person):
    log_in(house, house.gateway(), person)
    assert {} == uses(house, "gateway")
    assert [] == [record for record in house.audit(client="gateway") if "secret" in record]


@pytest.mark.parametrize(
    ("source", "secret", "name"),
    [
        ("127.0.1.5", b"the secret of the whole campus", "campus"),
        ("127.0.1.130", b"the secret of one building", "building"),
        ("127.0.1.200", b"the secret of a single room", "room"),
    ],
)
def test_the_longest_prefix_decides_who_asks(house, source, secret, name):
    assert radius.ACCESS_ACCEPT == house.gateway(source, secret=secret).status().code
    house.settled()  # a record is written before the next packet is looked at
    assert house.audit(reason="status", client=name, source=source)
    wider = house.gateway(source, secret=b"the secret of the whole campus" if name != "campus" else SECRET)
    wider.send(wider.request([], code=radius.STATUS_SERVER))
    house.settled()
    assert wider.silent()


def test_a_gateway_may_ask_by_ipv6(house, person):
    gateway = Gateway(house.ports[1], "::1")
    assert radius.ACCESS_ACCEPT == log_in(house, gateway, person)
    assert "::1" == house.audit(user=person.name)[0]["source"]
    gateway.close()


def test_a_wildcard_listener_answers_from_the_address_that_was_asked(house, person):
    gateway = Gateway(house.ports[0], server="127.0.0.77")
    assert radius.ACCESS_ACCEPT == log_in(house, gateway, person), "receive() compares the address"
    gateway.close()


def test_a_reply_that_does_not_fit_beside_its_proxy_states_is_discarded_and_hurts_nobody(house, discards):
    gateway = house.gateway("127.0.0.3")
    hops = [*[(radius.PROXY_STATE, bytes(253))] * 15, (radius.PROXY_STATE, bytes(240))]
    gateway.send(gateway.request(hops, signed=False))
    for _ in range(2):  # these take longer than that one's reject is held back
        assert radius.ACCESS_REJECT == gateway.ask([(radius.USER_NAME, b"nobody")], "x").code
    assert {("unsigned", "malformed"): 1} == discards()
    assert gateway.silent()
    assert [] == [line for line in house.stderr if "a library complains" in line]


def test_ready_healthy_and_measured(house, person):
    status, page = get(f"{house.admin}/readyz")
    parts = {"store": "ok", "service": "ok"}
    ready = {"ready": True, "development": True, "warnings": [], "parts": parts}
    assert (200, ready) == (status, json.loads(page))
    assert 200 == get(f"{house.admin}/healthz")[0]
    before = house.metric("radius_voice_requests_total", client="gateway", outcome="accept")
    calls = house.metric("radius_voice_calls_total", provider="twilio", result="placed")
    duplicates = house.metric("radius_voice_duplicates_total", client="gateway")
    gateway = house.gateway()
    first = gateway.first(person)
    gateway.send(first)
    challenge = gateway.receive()
    gateway.send(first)
    gateway.receive()
    gateway.answer(person, challenge, house.phones.code(person.phone))
    assert before + 1 == house.metric("radius_voice_requests_total", client="gateway", outcome="accept")
    assert calls + 1 == house.metric("radius_voice_calls_total", provider="twilio", result="placed")
    assert duplicates + 1 == house.metric("radius_voice_duplicates_total", client="gateway")
    assert 1 == house.metric("radius_voice_development")


def test_what_is_written_for_people_is_checked_for_secrets_by_this_test_too(house, person):
    gateway = house.gateway()
    gateway.ask([(radius.USER_NAME, person.password.encode())], "x")  # a password where the name belongs
    log_in(house, gateway, person)
    assert [] == house.leaks()
    house.stderr.append(person.phone)
    assert [person.phone, person.phone.lstrip("+")] == sorted(house.leaks())
    house.stderr.pop()


def test_a_password_hidden_with_the_wrong_secret_is_a_wrong_password(house, person):
    gateway = house.gateway("127.0.0.3")
    authenticator = bytes(range(16))
    hidden = hide(person.password.encode(), b"another secret than that", authenticator)
    attributes = [(radius.USER_NAME, person.name.encode()), (radius.USER_PASSWORD, hidden)]
    assert radius.ACCESS_REJECT == gateway.ask(attributes, signed=False, authenticator=authenticator).code
    assert ["wrong_password"] == house.reasons(person)
