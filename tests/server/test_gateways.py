"""Which packets are believed: addresses, shared secrets, Message-Authenticator; and what is counted of the others."""

import json

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


@pytest.fixture(scope="module")
def pool(make_person):
    return [make_person() for _ in range(24)]


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


@pytest.mark.parametrize("secret", [b"the old secret of the gateway", b"the new secret of the gateway"])
def test_while_a_secret_is_being_changed_both_are_good_and_answers_use_the_one_that_asked(house, person, secret):
    assert radius.ACCESS_ACCEPT == log_in(house, house.gateway("127.0.0.2", secret=secret), person)


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
