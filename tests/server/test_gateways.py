"""Which packets are accepted: addresses, shared secrets, Message-Authenticator; and how the others are counted."""

import json
import secrets
import signal

import pytest

from radius_voice.radius import packet as radius
from radius_voice.radius.password import encrypt_password
from tests.support.network import http_get
from tests.support.radius_test_client import SECRET, RadiusTestClient

CONFIGURATION = """\
server:
  listen: ["udp://0.0.0.0:0", "udp://[::1]:0"]
  reject_delay: 0.2s
clients:
  gateway: {address: ["127.0.0.1", "::1"], secret: a shared secret of the tests}
  rotating: {address: 127.0.0.2, secret: ["the old secret of the gateway", "the new secret of the gateway"]}
  unsigned:
    address: 127.0.0.3
    secret: a shared secret of the tests
    require_message_authenticator: no
    limit_proxy_state: no
  auto: {address: [127.0.0.4, 127.0.0.5], secret: a shared secret of the tests, require_message_authenticator: auto}
  campus: {address: 127.0.1.0/24, secret: the secret of the whole campus}
  building: {address: 127.0.1.128/25, secret: the secret of one building}
  room: {address: 127.0.1.200, secret: the secret of a single room}
limits:
  calls: {client: off, total: off}
policies:
  default: {}
"""
UNKNOWN_ADDRESS = "127.9.9.9"
UNSIGNED = "127.0.0.3"


@pytest.fixture(scope="module")
def pool(make_user):
    return [make_user() for _ in range(32)]


@pytest.fixture(scope="module")
def server(start_server, pool):
    with start_server(CONFIGURATION, pool) as server:
        yield server


@pytest.fixture
def user(pool):
    return pool.pop()


@pytest.fixture
def discards(server):
    """How many datagrams were discarded since the test began, by client and reason."""

    def counted():
        samples = server.samples("radius_voice_discards_total")
        return {(sample.labels["client"], sample.labels["reason"]): sample.value for sample in samples}

    before = counted()

    def since():
        server.wait_until_processed()
        now = counted()
        return {pair: now[pair] - before.get(pair, 0) for pair in now if now[pair] != before.get(pair, 0)}

    return since


def log_in(server, gateway, user, **how):
    """The code of the reply to the right code."""
    challenge = gateway.start_login(user, **how)
    assert radius.ACCESS_CHALLENGE == challenge.code
    state = (radius.STATE, challenge.first(radius.STATE))
    name = (radius.USER_NAME, user.name.encode())
    return gateway.exchange([name, state], server.simulator.code(user.phone), **how).code


def test_an_unknown_address_gets_no_response_and_is_counted(server, user, discards):
    unknown_client = server.client(UNKNOWN_ADDRESS)
    unknown_client.send(unknown_client.initial_request(user))
    unknown_client.send(unknown_client.request([], code=radius.STATUS_SERVER))
    assert {("", "unknown_client"): 2} == discards()
    assert unknown_client.received_nothing()
    assert [] == server.simulator.calls(user.phone)


def test_a_wrong_secret_gets_no_response_and_is_counted(server, user, discards):
    gateway = server.client(secret=b"another secret than that")
    gateway.send(gateway.initial_request(user))
    gateway.send(gateway.request([], code=radius.STATUS_SERVER))
    assert {("gateway", "bad_message_authenticator"): 2} == discards()
    assert gateway.received_nothing()
    assert [] == server.simulator.calls(user.phone)


def test_a_changed_octet_anywhere_makes_the_server_discard_a_packet(server, user, discards):
    gateway = server.client()
    first = gateway.initial_request(user)
    for place in range(len(first)):
        gateway.send(first[:place] + bytes((first[place] ^ 1,)) + first[place + 1 :])
    counted = discards()
    assert len(first) == sum(counted.values())
    assert gateway.received_nothing()
    assert [] == server.simulator.calls(user.phone)


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x01", bytes(19), bytes(20), b"\x01\x01\x00\x13" + bytes(16), b"\x01\x01\xff\xff" + bytes(5000)],
    ids=["empty", "one", "19", "no length", "short length", "long"],
)
def test_malformed_octets_get_no_response_and_are_counted(server, discards, octets):
    gateway = server.client()
    gateway.send(octets)
    assert {("gateway", "malformed"): 1} == discards()
    assert gateway.received_nothing()


def test_octets_past_the_length_are_padding(server, user):
    gateway = server.client()
    gateway.send(gateway.initial_request(user) + bytes(50))
    assert radius.ACCESS_CHALLENGE == gateway.receive().code


@pytest.mark.parametrize("code", [2, 3, 4, 11, 40, 255])
def test_other_codes_on_this_port_get_no_response(server, discards, code):
    gateway = server.client()
    gateway.send(gateway.request([(radius.USER_NAME, b"x")], "x", code=code))
    assert {("gateway", "wrong_code"): 1} == discards()
    assert gateway.received_nothing()


def test_status_server_is_answered_by_an_accept_without_any_user(server):
    reply = server.client().status()
    assert radius.ACCESS_ACCEPT == reply.code
    assert [radius.MESSAGE_AUTHENTICATOR] == [kind for kind, _ in reply.attributes]


def test_status_server_must_be_signed_even_where_nothing_else_must(server, discards):
    gateway = server.client("127.0.0.3")
    gateway.send(gateway.request([], code=radius.STATUS_SERVER, signed=False))
    assert {("unsigned", "no_message_authenticator"): 1} == discards()
    assert gateway.received_nothing()


def test_eap_must_be_signed_even_where_nothing_else_must(server, discards):
    gateway = server.client("127.0.0.3")
    gateway.send(gateway.request([(radius.USER_NAME, b"x"), (radius.EAP_MESSAGE, b"\2\1\0\5\1")], signed=False))
    assert {("unsigned", "no_message_authenticator"): 1} == discards()
    assert gateway.received_nothing()


def test_a_packet_without_message_authenticator_gets_no_response_by_default(server, user, discards):
    gateway = server.client()
    gateway.send(gateway.initial_request(user, signed=False))
    assert {("gateway", "no_message_authenticator"): 1} == discards()
    assert gateway.received_nothing()
    assert [] == server.simulator.calls(user.phone)


def test_a_packet_without_message_authenticator_is_answered_where_that_is_allowed(server, user):
    gateway = server.client("127.0.0.3")
    assert radius.ACCESS_ACCEPT == log_in(server, gateway, user, signed=False)
    (record,) = server.audit(user=user.name, reason="call_placed")
    assert "no_message_authenticator" in [step["name"] for step in record["steps"]]


def test_a_wrong_message_authenticator_is_discarded_even_where_none_is_required(server, user, discards):
    gateway = server.client("127.0.0.3", secret=b"another secret than that")
    gateway.send(gateway.initial_request(user))
    assert {("unsigned", "bad_message_authenticator"): 1} == discards()


def test_auto_accepts_unsigned_packets_of_an_address_until_one_is_signed(server, pool, discards):
    early, signs, late = pool.pop(), pool.pop(), pool.pop()
    gateway, neighbour = server.client("127.0.0.4"), server.client("127.0.0.5")
    assert radius.ACCESS_ACCEPT == log_in(server, gateway, early, signed=False)
    forged = server.client("127.0.0.4", secret=b"another secret than that")
    forged.send(forged.initial_request(signs))
    assert radius.ACCESS_REJECT == gateway.exchange([(radius.USER_NAME, b"unknown")], "x", signed=False).code
    assert radius.ACCESS_ACCEPT == log_in(server, gateway, signs)
    gateway.send(gateway.initial_request(late, signed=False))
    expected = {("auto", "bad_message_authenticator"): 1, ("auto", "no_message_authenticator"): 1}
    assert expected == discards()
    assert gateway.received_nothing()
    assert radius.ACCESS_CHALLENGE == neighbour.start_login(late, signed=False).code, "a neighbour of the same entry"


def spoofed(datagram):
    """A spoofed request with the address, port and Identifier of an authentic one."""
    attributes = datagram[20:]
    if attributes[0] == radius.MESSAGE_AUTHENTICATOR:
        attributes = attributes[18:]
    return datagram[:2] + (20 + len(attributes)).to_bytes(2) + secrets.token_bytes(16) + attributes


def replies_to(gateway, *datagrams):
    """The codes of one reply per request, grouped by the request that each reply is authentic for."""
    replies = [radius.decode(gateway.sock.recv(8192)) for _ in datagrams]
    return [
        [reply.code for reply in replies if radius.verify_reply(reply, datagram[4:20], SECRET)]
        for datagram in datagrams
    ]


@pytest.mark.parametrize("signed", [False, True])
def test_a_spoofed_request_suppresses_no_response_to_an_authentic_one(server, user, signed):
    gateway = server.client(UNSIGNED)
    genuine = gateway.initial_request(user, signed=signed)
    gateway.send(genuine)
    gateway.send(forged := spoofed(genuine))
    assert [[radius.ACCESS_CHALLENGE], [radius.ACCESS_REJECT]] == replies_to(gateway, genuine, forged)


def test_up_to_three_spoofed_requests_before_an_authentic_one_suppress_no_response(server, user, discards):
    gateway = server.client(UNSIGNED)
    genuine = gateway.initial_request(user, signed=False)
    forged = [spoofed(genuine) for _ in range(3)]
    for datagram in (*forged, genuine):
        gateway.send(datagram)
    expected = [*[[radius.ACCESS_REJECT]] * 3, [radius.ACCESS_CHALLENGE]]
    assert expected == replies_to(gateway, *forged, genuine)
    assert {} == discards()


def test_a_fifth_request_with_one_identifier_is_discarded_and_the_first_four_are_answered(server, user, discards):
    gateway = server.client(UNSIGNED)
    genuine = gateway.initial_request(user, signed=False)
    forged = [spoofed(genuine) for _ in range(4)]
    for datagram in (genuine, *forged):
        gateway.send(datagram)
    expected = [[radius.ACCESS_CHALLENGE], *[[radius.ACCESS_REJECT]] * 3]
    assert expected == replies_to(gateway, genuine, *forged[:3])
    assert {("unsigned", "identifier_in_use"): 1} == discards()
    gateway.send(genuine)
    assert [[radius.ACCESS_CHALLENGE]] == replies_to(gateway, genuine), "a retransmission gets its reply"
    assert gateway.received_nothing()
    assert 1 == len(server.simulator.calls(user.phone))


@pytest.mark.parametrize("secret", [b"the old secret of the gateway", b"the new secret of the gateway"])
def test_both_of_two_secrets_are_valid_and_replies_use_that_of_the_request(server, user, secret):
    assert radius.ACCESS_ACCEPT == log_in(server, server.client("127.0.0.2", secret=secret), user)


def uses(server, client):
    samples = server.samples("radius_voice_secret_uses_total")
    return {sample.labels["secret"]: sample.value for sample in samples if sample.labels["client"] == client}


@pytest.mark.parametrize(
    ("number", "secret"), [(1, b"the old secret of the gateway"), (2, b"the new secret of the gateway")]
)
def test_audit_and_metric_show_which_of_two_secrets_a_client_uses(server, user, number, secret):
    before = uses(server, "rotating")
    gateway = server.client("127.0.0.2", secret=secret)
    log_in(server, gateway, user)
    gateway.status()
    used = {**before, str(number): before[str(number)] + 3}
    assert used == uses(server, "rotating")
    assert [number] * 2 == [record["secret"] for record in server.audit(client="rotating", user=user.name)]
    assert server.audit(client="rotating", reason="status", secret=number)


def test_audit_and_metric_show_when_the_old_secret_can_be_removed(start_server, pool):
    old, new = b"the old secret of the gateway", b"the new secret of the gateway"

    def configuration(secrets):
        return CONFIGURATION.replace('["the old secret of the gateway", "the new secret of the gateway"]', secrets)

    user = pool.pop()
    with start_server(configuration(old.decode()), [user]) as server:
        before, after = server.client("127.0.0.2", secret=old), server.client("127.0.0.2", secret=new)
        before.status()
        assert {} == uses(server, "rotating")
        server.write(configuration(f"[{old.decode()}, {new.decode()}]"))
        server.send_signal(signal.SIGHUP)
        server.wait_for_line("reloaded", server.stderr)
        before.status()
        assert {"1": 1, "2": 0} == uses(server, "rotating")
        after.status()
        assert radius.ACCESS_ACCEPT == log_in(server, after, user)
        assert {"1": 1, "2": 3} == uses(server, "rotating")
        server.write(configuration(new.decode()))
        server.send_signal(signal.SIGHUP)
        server.wait_for_line("reloaded", server.stderr, times=2)
        before.send(before.request([], code=radius.STATUS_SERVER))
        after.status()
        assert before.received_nothing()
        secrets = [record.get("secret") for record in server.audit(kind="request", client="rotating")]
        assert [None, 1, 2, 2, 2, None] == secrets


def test_a_client_with_one_secret_has_no_secret_label(server, user):
    log_in(server, server.client(), user)
    assert {} == uses(server, "gateway")
    assert [] == [record for record in server.audit(client="gateway") if "secret" in record]


@pytest.mark.parametrize(
    ("source", "secret", "name"),
    [
        ("127.0.1.5", b"the secret of the whole campus", "campus"),
        ("127.0.1.130", b"the secret of one building", "building"),
        ("127.0.1.200", b"the secret of a single room", "room"),
    ],
)
def test_the_longest_prefix_decides_the_client(server, source, secret, name):
    assert radius.ACCESS_ACCEPT == server.client(source, secret=secret).status().code
    server.wait_until_processed()  # a record is written before the next packet is looked at
    assert server.audit(reason="status", client=name, client_address=source)
    wider = server.client(source, secret=b"the secret of the whole campus" if name != "campus" else SECRET)
    wider.send(wider.request([], code=radius.STATUS_SERVER))
    server.wait_until_processed()
    assert wider.received_nothing()


def test_a_gateway_may_use_ipv6(server, user):
    gateway = RadiusTestClient(server.ports[1], "::1")
    assert radius.ACCESS_ACCEPT == log_in(server, gateway, user)
    assert "::1" == server.audit(user=user.name)[0]["client_address"]
    gateway.close()


def test_a_wildcard_listener_answers_from_the_destination_address_of_the_request(server, user):
    gateway = RadiusTestClient(server.ports[0], server="127.0.0.77")
    assert radius.ACCESS_ACCEPT == log_in(server, gateway, user), "receive() compares the address"
    gateway.close()


def test_a_reply_that_does_not_fit_beside_its_proxy_states_is_discarded(server, discards):
    gateway = server.client("127.0.0.3")
    hops = [*[(radius.PROXY_STATE, bytes(253))] * 15, (radius.PROXY_STATE, bytes(240))]
    gateway.send(gateway.request(hops, signed=False))
    for _ in range(2):  # these take longer than that one's reject is held back
        assert radius.ACCESS_REJECT == gateway.exchange([(radius.USER_NAME, b"unknown")], "x").code
    assert {("unsigned", "malformed"): 1} == discards()
    assert gateway.received_nothing()
    assert [] == [line for line in server.stderr if "a library logs a warning" in line]


def test_readiness_health_and_metrics_pages(server, user):
    status, page = http_get(f"{server.admin}/readyz")
    parts = {"store": "ok", "service": "ok"}
    ready = {"ready": True, "development": True, "warnings": [], "parts": parts}
    assert (200, ready) == (status, json.loads(page))
    assert 200 == http_get(f"{server.admin}/healthz")[0]
    before = server.metric("radius_voice_requests_total", client="gateway", outcome="accept")
    calls = server.metric("radius_voice_deliveries_total", provider="twilio", result="placed")
    duplicates = server.metric("radius_voice_duplicates_total", client="gateway")
    gateway = server.client()
    first = gateway.initial_request(user)
    gateway.send(first)
    challenge = gateway.receive()
    gateway.send(first)
    gateway.receive()
    gateway.respond(user, challenge, server.simulator.code(user.phone))
    assert before + 1 == server.metric("radius_voice_requests_total", client="gateway", outcome="accept")
    assert calls + 1 == server.metric("radius_voice_deliveries_total", provider="twilio", result="placed")
    assert duplicates + 1 == server.metric("radius_voice_duplicates_total", client="gateway")
    assert 1 == server.metric("radius_voice_development")


def test_the_leak_check_of_server_process_detects_secrets(server, user):
    gateway = server.client()
    gateway.exchange([(radius.USER_NAME, user.password.encode())], "x")  # a password where the name belongs
    log_in(server, gateway, user)
    assert [] == server.leaked_secrets()
    server.stderr.append(user.phone)
    assert [user.phone, user.phone.lstrip("+")] == sorted(server.leaked_secrets())
    server.stderr.pop()


def test_a_password_hidden_with_the_wrong_secret_is_a_wrong_password(server, user):
    gateway = server.client("127.0.0.3")
    authenticator = bytes(range(16))
    hidden = encrypt_password(user.password.encode(), b"another secret than that", authenticator)
    attributes = [(radius.USER_NAME, user.name.encode()), (radius.USER_PASSWORD, hidden)]
    assert radius.ACCESS_REJECT == gateway.exchange(attributes, signed=False, authenticator=authenticator).code
    assert ["wrong_password"] == server.reasons(user)
