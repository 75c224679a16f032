"""Logins from a gateway's first packet to the last, through real sockets and a simulated Twilio."""

import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from radius_voice.radius import packet as radius

CONFIGURATION = """\
server:
  listen: ["udp://127.0.0.1:0"]
  reject_delay: 0.3s
clients:
  gateway:
    address: [127.0.0.1, 127.0.0.2, 127.0.0.3]
    secret: a shared secret of the tests
    response_timeout: 8s # whatever else this machine does meanwhile
  impatient: {address: 127.0.0.4, secret: a shared secret of the tests, response_timeout: 0.3s}
limits:
  wrong_passwords: {user: 5 per 10m, client: off}
  calls: {client: off, total: off}
policies:
  default:
    reply:
      - {set: {Session-Timeout: 3600}}
      - {when: {group: staff}, set: {Class: "OU=Staff", MS-Primary-DNS-Server: 192.0.2.53}}
      - {when: {group: guests}, set: {Filter-Id: guests}}
"""
REJECT_DELAY = 0.3
CHAP = (radius.CHAP_PASSWORD, b"\x01" + bytes(16))
MS_CHAP = (radius.VENDOR_SPECIFIC, (311).to_bytes(4) + b"\x19\x34" + bytes(50))
SHARED_PHONE = "+14155559999"


@pytest.fixture(scope="module")
def pool(make_user):
    return [make_user() for _ in range(40)]


@pytest.fixture(scope="module")
def special_users(make_user):
    """Users with special passwords, groups or phones."""
    return {
        user.name: user
        for user in (
            make_user("staff", groups=("staff",)),
            make_user("umlaut", password="Grüße aus Köln"),
            make_user("percent", password="100%41 sure%20 %s %%"),
            make_user("longest", password="x" * 128),
            make_user("first-of-two", phone=SHARED_PHONE),
            make_user("second-of-two", phone=SHARED_PHONE),
            make_user("no-answer-from-provider", phone="+15005550033"),
            make_user("refused-by-provider", phone="+15005550004"),
            make_user("provider-busy", phone="+15005550020"),
        )
    }


@pytest.fixture(scope="module")
def server(start_server, pool, special_users):
    with start_server(CONFIGURATION, [*pool, *special_users.values()], "--debug") as server:
        yield server


@pytest.fixture
def user(pool):
    return pool.pop()


@pytest.fixture
def gateway(server):
    gateway = server.client()
    yield gateway
    server.wait_until_processed()
    assert gateway.received_nothing(), "an unexpected reply"


def texts(reply):
    return b"".join(reply.every(radius.REPLY_MESSAGE)).decode()


def test_a_login_asks_for_the_code_and_accepts_it(server, gateway, user):
    challenge = gateway.start_login(user)
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert f"ACME VPN is calling your phone ending in {user.phone[-2:]}. Enter the code you hear:" == texts(challenge)
    assert 1 == len(challenge.every(radius.STATE))
    assert (1).to_bytes(4) == challenge.first(radius.PROMPT)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
    assert 1 == len(server.simulator.calls(user.phone))
    assert ["call_placed", "code_correct"] == server.reasons(user)


def test_a_wrong_password_is_rejected_after_the_reject_delay(server, gateway, user):
    begun = time.monotonic()
    reply = gateway.exchange([(radius.USER_NAME, user.name.encode())], "not the password")
    assert time.monotonic() - begun >= REJECT_DELAY
    assert (radius.ACCESS_REJECT, "Login refused.") == (reply.code, texts(reply))
    assert [] == server.simulator.calls(user.phone)


def test_an_unknown_name_is_rejected_like_a_wrong_password_and_not_recorded(server, gateway, user):
    begun = time.monotonic()
    unknown = gateway.exchange([(radius.USER_NAME, b"no-user-has-this-name")], "whatever")
    assert time.monotonic() - begun >= REJECT_DELAY
    wrong = gateway.exchange([(radius.USER_NAME, user.name.encode())], "not the password")
    assert [kind for kind, _ in wrong.attributes] == [kind for kind, _ in unknown.attributes]
    assert texts(wrong) == texts(unknown)
    assert "no-user-has-this-name" not in (server.directory / "audit.jsonl").read_text()


def test_a_retransmission_gets_the_same_octets_and_never_rings_twice(server, gateway, user):
    first = gateway.initial_request(user)
    gateway.send(first)
    challenge = gateway.receive()
    gateway.send(first)
    assert challenge.raw == gateway.receive().raw
    second = gateway.challenge_response(user, challenge, server.simulator.code(user.phone))
    gateway.send(second)
    accept = gateway.receive()
    gateway.send(second)
    assert accept.raw == gateway.receive().raw
    assert 1 == len(server.simulator.calls(user.phone))


def test_five_concurrent_copies_place_one_call(server, gateway, user):
    first = gateway.initial_request(user)
    for _ in range(5):
        gateway.send(first)
    challenge = gateway.receive()
    server.wait_until_processed()
    while not gateway.received_nothing():  # copies received after the reply get it too
        pass
    gateway.send(first)
    assert challenge.raw == gateway.receive().raw
    assert 1 == len(server.simulator.calls(user.phone))


def test_five_concurrent_identifiers_place_one_call_and_share_one_code(server, gateway, user):
    for _ in range(5):
        gateway.send(gateway.initial_request(user))
    challenges = [gateway.receive() for _ in range(5)]
    assert {radius.ACCESS_CHALLENGE} == {challenge.code for challenge in challenges}
    assert 5 == len({challenge.first(radius.STATE) for challenge in challenges})
    assert 1 == len(server.simulator.calls(user.phone))
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenges[3], server.simulator.code(user.phone)).code


def test_a_late_initial_request_gets_its_first_response_and_changes_nothing(server, gateway, user):
    first = gateway.initial_request(user)
    gateway.send(first)
    challenge = gateway.receive()
    second = gateway.challenge_response(user, challenge, server.simulator.code(user.phone))
    gateway.send(second)
    accept = gateway.receive()
    for datagram, expected in ((first, challenge), (second, accept), (first, challenge)):
        gateway.send(datagram)
        assert expected.raw == gateway.receive().raw
    assert 1 == len(server.simulator.calls(user.phone))


def test_two_logins_on_one_socket_can_end_in_any_order(server, gateway, pool):
    alice, bob = pool.pop(), pool.pop()
    to_anne, to_bob = gateway.start_login(alice), gateway.start_login(bob)
    assert radius.ACCESS_ACCEPT == gateway.respond(bob, to_bob, server.simulator.code(bob.phone)).code
    assert radius.ACCESS_ACCEPT == gateway.respond(alice, to_anne, server.simulator.code(alice.phone)).code
    assert (1, 1) == (len(server.simulator.calls(alice.phone)), len(server.simulator.calls(bob.phone)))


def test_a_new_identifier_during_a_call_joins(server, gateway, user):
    challenge, joined = gateway.start_login(user), gateway.start_login(user)
    assert radius.ACCESS_CHALLENGE == joined.code
    assert challenge.first(radius.STATE) != joined.first(radius.STATE)
    assert ["call_placed", "joined"] == server.reasons(user)
    assert 1 == len(server.simulator.calls(user.phone))
    assert radius.ACCESS_ACCEPT == gateway.respond(user, joined, server.simulator.code(user.phone)).code


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_a_gateway_that_fails_over_joins_from_another_port_or_address_of_its_entry(server, gateway, user, source):
    gateway.start_login(user)
    other = server.client(source)
    joined = other.start_login(user)
    assert radius.ACCESS_CHALLENGE == joined.code
    assert radius.ACCESS_ACCEPT == other.respond(user, joined, server.simulator.code(user.phone)).code
    assert 1 == len(server.simulator.calls(user.phone))


def test_a_challenge_can_be_answered_from_another_port_of_the_same_entry(server, gateway, user):
    challenge = gateway.start_login(user)
    other = server.client("127.0.0.3")
    assert radius.ACCESS_ACCEPT == other.respond(user, challenge, server.simulator.code(user.phone)).code


def test_a_state_is_invalid_at_another_client_entry(server, gateway, user):
    challenge = gateway.start_login(user)
    code = server.simulator.code(user.phone)
    other = server.client("127.0.0.4")
    assert radius.ACCESS_REJECT == other.respond(user, challenge, code).code
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code


def test_two_users_with_one_phone_get_a_call_and_a_code_each(server, gateway, special_users):
    two = [special_users["first-of-two"], special_users["second-of-two"]]
    challenges = [gateway.start_login(each) for each in two]
    codes = [call["code"] for call in server.simulator.calls(SHARED_PHONE)]
    assert 2 == len(codes)
    again = gateway.respond(two[0], challenges[0], codes[1])
    assert radius.ACCESS_CHALLENGE == again.code
    assert radius.ACCESS_ACCEPT == gateway.respond(two[0], again, codes[0]).code
    assert radius.ACCESS_ACCEPT == gateway.respond(two[1], challenges[1], codes[1]).code


def test_an_unknown_state_is_rejected(server, gateway, user):
    attributes = [(radius.USER_NAME, user.name.encode()), (radius.STATE, secrets.token_bytes(32))]
    assert radius.ACCESS_REJECT == gateway.exchange(attributes, "123456").code
    assert radius.ACCESS_REJECT == gateway.exchange([attributes[0], (radius.STATE, b"")], "123456").code


def test_two_states_are_a_bad_request(server, gateway, user):
    challenge = gateway.start_login(user)
    code = server.simulator.code(user.phone)
    extra = (radius.STATE, bytes(32))
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, code, extra).code
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code


def test_a_wrong_code_is_asked_for_again_and_the_right_one_is_then_accepted(server, gateway, user):
    challenge = gateway.start_login(user)
    code = server.simulator.code(user.phone)
    again = gateway.respond(user, challenge, f"{(int(code) + 1) % 10**6:06}")
    assert (radius.ACCESS_CHALLENGE, "Wrong code, 2 attempts left. Enter the code you heard:") == (
        again.code,
        texts(again),
    )
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, code).code, "a State serves once"
    assert radius.ACCESS_ACCEPT == gateway.respond(user, again, code).code
    assert 1 == len(server.simulator.calls(user.phone))


def test_the_right_code_after_three_wrong_codes_is_rejected(server, gateway, user):
    challenge = gateway.start_login(user)
    code = server.simulator.code(user.phone)
    for _ in range(2):
        challenge = gateway.respond(user, challenge, f"{(int(code) + 1) % 10**6:06}")
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, "no code").code
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, code).code
    assert ["call_placed", "wrong_code", "wrong_code", "no_attempts_left", "used_state"] == server.reasons(user)


def test_five_concurrent_codes_are_checked_once_each_within_three_attempts(server, gateway, user):
    challenge = gateway.start_login(user)
    code = server.simulator.code(user.phone)
    for shift in range(1, 6):
        gateway.send(gateway.challenge_response(user, challenge, f"{(int(code) + shift) % 10**6:06}"))
    replies = [gateway.receive().code for _ in range(5)]
    assert 4 == replies.count(radius.ACCESS_REJECT), "a State serves once, whatever is raced with it"
    assert ["call_placed", "wrong_code"] == [reason for reason in server.reasons(user) if reason != "used_state"]


def test_a_result_is_repeated_to_a_new_identifier(server, gateway, user):
    challenge = gateway.start_login(user)
    code = server.simulator.code(user.phone)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code, "a lost Accept must not lock out"
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, "000000").code
    assert ["call_placed", "code_correct", "repeated", "used_state"] == server.reasons(user)


def test_phone_instead_of_a_code_calls_again_with_a_new_code(server, gateway, user):
    challenge = gateway.start_login(user)
    old = server.simulator.code(user.phone)
    again = gateway.respond(user, challenge, "phone")
    assert f"Calling your phone ending in {user.phone[-2:]}. Enter the new code:" == texts(again)
    assert 2 == len(server.simulator.calls(user.phone))
    after = gateway.respond(user, again, old)
    assert radius.ACCESS_CHALLENGE == after.code, "the old code is dead"
    assert radius.ACCESS_ACCEPT == gateway.respond(user, after, server.simulator.code(user.phone)).code


def test_a_recorded_initial_request_places_no_call_after_its_session_has_ended(server, gateway, user):
    first = gateway.initial_request(user)
    gateway.send(first)
    challenge = gateway.receive()
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
    thief = server.client()
    thief.sent = gateway.sent
    thief.send(first)
    assert radius.ACCESS_REJECT == thief.receive().code
    assert "replay" == server.reasons(user)[-1]
    assert 1 == len(server.simulator.calls(user.phone))


def test_proxy_states_are_returned_in_every_reply_unchanged_and_in_order(server, gateway, user):
    hops = [(radius.PROXY_STATE, value) for value in (b"outer", b"\x00\xff", b"", b"outer")]
    expected = [value for _, value in hops]
    challenge = gateway.start_login(user, *hops)
    assert expected == challenge.every(radius.PROXY_STATE)
    code = server.simulator.code(user.phone)
    assert expected == gateway.respond(user, challenge, code, *hops).every(radius.PROXY_STATE)
    name = (radius.USER_NAME, user.name.encode())
    assert expected == gateway.exchange([name, *hops], "wrong").every(radius.PROXY_STATE)
    assert expected == gateway.exchange(hops, code=radius.STATUS_SERVER).every(radius.PROXY_STATE)


def test_proxy_states_that_leave_no_space_for_a_reply_are_rejected_without_a_call(server, gateway, user):
    hops = [*[(radius.PROXY_STATE, bytes(253))] * 15, (radius.PROXY_STATE, bytes(148))]
    assert radius.ACCESS_REJECT == gateway.start_login(user, *hops).code
    assert [] == server.simulator.calls(user.phone)


@pytest.mark.parametrize("method", [CHAP, MS_CHAP, (radius.EAP_MESSAGE, b"\x02\x01\x00\x05\x01")])
def test_an_unsupported_method_is_rejected_and_counts_as_no_wrong_password(server, gateway, user, method):
    before = len(server.audit(reason="method_not_supported"))
    for _ in range(6):
        gateway.send(gateway.request([(radius.USER_NAME, user.name.encode()), method]))
    assert {radius.ACCESS_REJECT} == {gateway.receive().code for _ in range(6)}
    assert before + 6 == len(server.audit(reason="method_not_supported"))
    assert radius.ACCESS_CHALLENGE == gateway.start_login(user).code


def test_wrong_passwords_are_counted(server, gateway, user):
    for _ in range(5):
        gateway.send(gateway.request([(radius.USER_NAME, user.name.encode())], "not the password"))
    assert {radius.ACCESS_REJECT} == {gateway.receive().code for _ in range(5)}
    assert radius.ACCESS_REJECT == gateway.start_login(user).code
    assert 1 == len(server.audit(reason="wrong_password_limit"))
    assert [] == server.simulator.calls(user.phone)


@pytest.mark.parametrize("attributes", [[], [(radius.USER_NAME, b"")], [(radius.SERVICE_TYPE, (17).to_bytes(4))]])
def test_a_request_without_a_name_is_rejected(server, gateway, attributes):
    before = len(server.audit(reason="bad_request"))
    assert radius.ACCESS_REJECT == gateway.exchange(attributes, "whatever").code
    assert before + 1 == len(server.audit(reason="bad_request"))


def test_a_request_without_a_password_is_rejected(gateway, user):
    assert radius.ACCESS_REJECT == gateway.exchange([(radius.USER_NAME, user.name.encode())]).code


def test_a_password_and_chap_together_are_a_bad_request(server, gateway, user):
    assert radius.ACCESS_REJECT == gateway.start_login(user, CHAP).code
    assert [] == server.simulator.calls(user.phone)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_an_umlaut_in_a_password_is_accepted_in_either_encoding(server, gateway, special_users, encoding):
    user = special_users["umlaut"]
    challenge = gateway.exchange([(radius.USER_NAME, b"umlaut")], user.password.encode(encoding))
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code


@pytest.mark.parametrize("name", ["percent", "longest"])
def test_all_password_characters_are_literal_and_128_octets_fit(gateway, special_users, name):
    assert radius.ACCESS_CHALLENGE == gateway.start_login(special_users[name]).code


def test_reply_attributes_depend_on_the_group_and_are_only_in_the_accept(server, gateway, special_users, user):
    def line(reply):
        kinds = (25, 27, 11, radius.VENDOR_SPECIFIC)
        return [pair for pair in reply.attributes if pair[0] in kinds]

    hour = (27, (3600).to_bytes(4))
    dns = (radius.VENDOR_SPECIFIC, (311).to_bytes(4) + b"\x1c\x06" + bytes((192, 0, 2, 53)))
    challenge = gateway.start_login(special_users["staff"])
    assert [] == line(challenge)
    accept = gateway.respond(special_users["staff"], challenge, server.simulator.code(special_users["staff"].phone))
    assert [hour, (25, b"OU=Staff"), dns] == line(accept)
    assert [] == line(gateway.exchange([(radius.USER_NAME, b"staff")], "wrong"))
    challenge = gateway.start_login(user)
    assert [hour] == line(gateway.respond(user, challenge, server.simulator.code(user.phone)))


def test_the_server_waits_for_a_provider_no_longer_than_response_timeout(server, special_users):
    impatient = server.client("127.0.0.4")
    begun = time.monotonic()
    challenge = impatient.start_login(special_users["no-answer-from-provider"])
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert time.monotonic() - begun >= 0.3 - 0.01
    assert ["delivery_pending"] == server.reasons(special_users["no-answer-from-provider"])
    code = server.simulator.code("+15005550033")
    assert radius.ACCESS_ACCEPT == impatient.respond(special_users["no-answer-from-provider"], challenge, code).code
    assert 1 == len(server.simulator.calls("+15005550033"))


@pytest.mark.parametrize(
    ("name", "reason"), [("refused-by-provider", "number_rejected"), ("provider-busy", "delivery_failed")]
)
def test_a_call_that_was_certainly_not_placed_is_a_reject(server, gateway, special_users, name, reason):
    assert radius.ACCESS_REJECT == gateway.start_login(special_users[name]).code
    assert [reason] == server.reasons(special_users[name])


def test_many_concurrent_logins_place_one_call_each(server, pool):
    users = [pool.pop() for _ in range(6)]

    def log_in(user):
        gateway = server.client()
        challenge = gateway.start_login(user)
        return gateway.respond(user, challenge, server.simulator.code(user.phone)).code

    with ThreadPoolExecutor(6) as gateways:
        assert [radius.ACCESS_ACCEPT] * 6 == list(gateways.map(log_in, users))
    assert [1] * 6 == [len(server.simulator.calls(user.phone)) for user in users]


def test_debug_shows_packets_and_decisions(server, gateway, user):
    challenge = gateway.start_login(user)
    gateway.respond(user, challenge, server.simulator.code(user.phone))
    server.wait_for_line(f'"{user.name}": accept, because code_correct', server.stdout)
    shown = "".join(server.stdout)
    assert re.search(r"<- gateway 127.0.0.1 port \d+: Access-Request", shown)
    assert re.search(r"-> gateway 127.0.0.1 port \d+: Access-Challenge", shown)
