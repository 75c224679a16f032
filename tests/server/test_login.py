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
    answer_within: 8s # whatever else this machine does meanwhile
  impatient: {address: 127.0.0.4, secret: a shared secret of the tests, answer_within: 0.3s}
limits:
  wrong_passwords: {person: 5 per 10m, client: off}
  calls: {client: off, all: off}
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
def pool(make_person):
    return [make_person() for _ in range(40)]


@pytest.fixture(scope="module")
def crowd(make_person):
    """People who are not like everybody."""
    return {
        person.name: person
        for person in (
            make_person("staff", groups=("staff",)),
            make_person("umlaut", password="Grüße aus Köln"),
            make_person("percent", password="100%41 sure%20 %s %%"),
            make_person("longest", password="x" * 128),
            make_person("first-of-two", phone=SHARED_PHONE),
            make_person("second-of-two", phone=SHARED_PHONE),
            make_person("no-answer-from-provider", phone="+15005550033"),
            make_person("refused-by-provider", phone="+15005550004"),
            make_person("provider-busy", phone="+15005550020"),
        )
    }


@pytest.fixture(scope="module")
def house(start, pool, crowd):
    with start(CONFIGURATION, [*pool, *crowd.values()], "--debug") as house:
        yield house


@pytest.fixture
def person(pool):
    return pool.pop()


@pytest.fixture
def gateway(house):
    gateway = house.gateway()
    yield gateway
    house.settled()
    assert gateway.silent(), "an answer too many"


def texts(reply):
    return b"".join(reply.every(radius.REPLY_MESSAGE)).decode()


def test_a_login_asks_for_the_code_and_lets_in_who_knows_it(house, gateway, person):
    challenge = gateway.begin(person)
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert f"ACME VPN is calling your phone ending in {person.phone[-2:]}. Enter the code you hear:" == texts(challenge)
    assert 1 == len(challenge.every(radius.STATE))
    assert (1).to_bytes(4) == challenge.first(radius.PROMPT)
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenge, house.phones.code(person.phone)).code
    assert 1 == len(house.phones.calls(person.phone))
    assert ["called", "code_right"] == house.reasons(person)


def test_a_wrong_password_is_rejected_no_sooner_than_the_reject_delay(house, gateway, person):
    begun = time.monotonic()
    reply = gateway.ask([(radius.USER_NAME, person.name.encode())], "not the password")
    assert time.monotonic() - begun >= REJECT_DELAY
    assert (radius.ACCESS_REJECT, "Login refused.") == (reply.code, texts(reply))
    assert [] == house.phones.calls(person.phone)


def test_an_unknown_name_is_rejected_like_a_wrong_password_and_not_written_down(house, gateway, person):
    begun = time.monotonic()
    unknown = gateway.ask([(radius.USER_NAME, b"nobody-has-this-name")], "whatever")
    assert time.monotonic() - begun >= REJECT_DELAY
    wrong = gateway.ask([(radius.USER_NAME, person.name.encode())], "not the password")
    assert [kind for kind, _ in wrong.attributes] == [kind for kind, _ in unknown.attributes]
    assert texts(wrong) == texts(unknown)
    assert "nobody-has-this-name" not in (house.folder / "audit.jsonl").read_text()


def test_a_retransmission_gets_the_same_octets_and_never_rings_twice(house, gateway, person):
    first = gateway.first(person)
    gateway.send(first)
    challenge = gateway.receive()
    gateway.send(first)
    assert challenge.raw == gateway.receive().raw
    second = gateway.second(person, challenge, house.phones.code(person.phone))
    gateway.send(second)
    accept = gateway.receive()
    gateway.send(second)
    assert accept.raw == gateway.receive().raw
    assert 1 == len(house.phones.calls(person.phone))


def test_five_copies_at_once_ring_once(house, gateway, person):
    first = gateway.first(person)
    for _ in range(5):
        gateway.send(first)
    challenge = gateway.receive()
    house.settled()
    while not gateway.silent():  # copies that came after the answer get it too
        pass
    gateway.send(first)
    assert challenge.raw == gateway.receive().raw
    assert 1 == len(house.phones.calls(person.phone))


def test_five_identifiers_at_once_ring_once_and_share_one_code(house, gateway, person):
    for _ in range(5):
        gateway.send(gateway.first(person))
    challenges = [gateway.receive() for _ in range(5)]
    assert {radius.ACCESS_CHALLENGE} == {challenge.code for challenge in challenges}
    assert 5 == len({challenge.first(radius.STATE) for challenge in challenges})
    assert 1 == len(house.phones.calls(person.phone))
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenges[3], house.phones.code(person.phone)).code


def test_a_first_packet_that_is_late_gets_its_old_answer_and_changes_nothing(house, gateway, person):
    first = gateway.first(person)
    gateway.send(first)
    challenge = gateway.receive()
    second = gateway.second(person, challenge, house.phones.code(person.phone))
    gateway.send(second)
    accept = gateway.receive()
    for datagram, expected in ((first, challenge), (second, accept), (first, challenge)):
        gateway.send(datagram)
        assert expected.raw == gateway.receive().raw
    assert 1 == len(house.phones.calls(person.phone))


def test_two_logins_on_one_socket_may_end_in_any_order(house, gateway, pool):
    anne, bob = pool.pop(), pool.pop()
    to_anne, to_bob = gateway.begin(anne), gateway.begin(bob)
    assert radius.ACCESS_ACCEPT == gateway.answer(bob, to_bob, house.phones.code(bob.phone)).code
    assert radius.ACCESS_ACCEPT == gateway.answer(anne, to_anne, house.phones.code(anne.phone)).code
    assert (1, 1) == (len(house.phones.calls(anne.phone)), len(house.phones.calls(bob.phone)))


def test_a_new_identifier_in_mid_call_joins(house, gateway, person):
    challenge, joined = gateway.begin(person), gateway.begin(person)
    assert radius.ACCESS_CHALLENGE == joined.code
    assert challenge.first(radius.STATE) != joined.first(radius.STATE)
    assert ["called", "joined"] == house.reasons(person)
    assert 1 == len(house.phones.calls(person.phone))
    assert radius.ACCESS_ACCEPT == gateway.answer(person, joined, house.phones.code(person.phone)).code


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_a_gateway_that_fails_over_joins_from_another_port_or_address_of_its_entry(house, gateway, person, source):
    gateway.begin(person)
    other = house.gateway(source)
    joined = other.begin(person)
    assert radius.ACCESS_CHALLENGE == joined.code
    assert radius.ACCESS_ACCEPT == other.answer(person, joined, house.phones.code(person.phone)).code
    assert 1 == len(house.phones.calls(person.phone))


def test_a_challenge_may_be_answered_from_another_port_of_the_same_entry(house, gateway, person):
    challenge = gateway.begin(person)
    other = house.gateway("127.0.0.3")
    assert radius.ACCESS_ACCEPT == other.answer(person, challenge, house.phones.code(person.phone)).code


def test_a_state_is_worth_nothing_at_another_client_entry(house, gateway, person):
    challenge = gateway.begin(person)
    code = house.phones.code(person.phone)
    other = house.gateway("127.0.0.4")
    assert radius.ACCESS_REJECT == other.answer(person, challenge, code).code
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenge, code).code


def test_two_people_with_one_phone_get_a_call_and_a_code_each(house, gateway, crowd):
    two = [crowd["first-of-two"], crowd["second-of-two"]]
    challenges = [gateway.begin(each) for each in two]
    codes = [call["code"] for call in house.phones.calls(SHARED_PHONE)]
    assert 2 == len(codes)
    again = gateway.answer(two[0], challenges[0], codes[1])
    assert radius.ACCESS_CHALLENGE == again.code
    assert radius.ACCESS_ACCEPT == gateway.answer(two[0], again, codes[0]).code
    assert radius.ACCESS_ACCEPT == gateway.answer(two[1], challenges[1], codes[1]).code


def test_an_unknown_state_is_rejected(house, gateway, person):
    attributes = [(radius.USER_NAME, person.name.encode()), (radius.STATE, secrets.token_bytes(32))]
    assert radius.ACCESS_REJECT == gateway.ask(attributes, "123456").code
    assert radius.ACCESS_REJECT == gateway.ask([attributes[0], (radius.STATE, b"")], "123456").code


def test_two_states_are_a_bad_request(house, gateway, person):
    challenge = gateway.begin(person)
    code = house.phones.code(person.phone)
    extra = (radius.STATE, bytes(32))
    assert radius.ACCESS_REJECT == gateway.answer(person, challenge, code, extra).code
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenge, code).code


def test_a_wrong_code_is_asked_for_again_and_the_right_one_then_lets_in(house, gateway, person):
    challenge = gateway.begin(person)
    code = house.phones.code(person.phone)
    again = gateway.answer(person, challenge, f"{(int(code) + 1) % 10**6:06}")
    assert (radius.ACCESS_CHALLENGE, "Wrong code, 2 tries left. Enter the code you heard:") == (
        again.code,
        texts(again),
    )
    assert radius.ACCESS_REJECT == gateway.answer(person, challenge, code).code, "a State serves once"
    assert radius.ACCESS_ACCEPT == gateway.answer(person, again, code).code
    assert 1 == len(house.phones.calls(person.phone))


def test_after_three_wrong_codes_the_right_one_is_too_late(house, gateway, person):
    challenge = gateway.begin(person)
    code = house.phones.code(person.phone)
    for _ in range(2):
        challenge = gateway.answer(person, challenge, f"{(int(code) + 1) % 10**6:06}")
    assert radius.ACCESS_REJECT == gateway.answer(person, challenge, "no code").code
    assert radius.ACCESS_REJECT == gateway.answer(person, challenge, code).code
    assert ["called", "wrong_code", "wrong_code", "no_tries", "used_state"] == house.reasons(person)


def test_five_answers_at_once_are_tried_once_each_and_never_more_than_three(house, gateway, person):
    challenge = gateway.begin(person)
    code = house.phones.code(person.phone)
    for shift in range(1, 6):
        gateway.send(gateway.second(person, challenge, f"{(int(code) + shift) % 10**6:06}"))
    replies = [gateway.receive().code for _ in range(5)]
    assert 4 == replies.count(radius.ACCESS_REJECT), "a State serves once, whatever is raced with it"
    assert ["called", "wrong_code"] == [reason for reason in house.reasons(person) if reason != "used_state"]


def test_a_verdict_is_repeated_to_a_new_identifier(house, gateway, person):
    challenge = gateway.begin(person)
    code = house.phones.code(person.phone)
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenge, code).code
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenge, code).code, "a lost Accept must not lock out"
    assert radius.ACCESS_REJECT == gateway.answer(person, challenge, "000000").code
    assert ["called", "code_right", "repeated", "used_state"] == house.reasons(person)


def test_phone_typed_instead_of_a_code_rings_again_with_a_new_code(house, gateway, person):
    challenge = gateway.begin(person)
    old = house.phones.code(person.phone)
    again = gateway.answer(person, challenge, "phone")
    assert f"Calling your phone ending in {person.phone[-2:]} again. Enter the new code:" == texts(again)
    assert 2 == len(house.phones.calls(person.phone))
    after = gateway.answer(person, again, old)
    assert radius.ACCESS_CHALLENGE == after.code, "the old code is dead"
    assert radius.ACCESS_ACCEPT == gateway.answer(person, after, house.phones.code(person.phone)).code


def test_a_recorded_first_packet_does_not_dial_after_its_login_has_ended(house, gateway, person):
    first = gateway.first(person)
    gateway.send(first)
    challenge = gateway.receive()
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenge, house.phones.code(person.phone)).code
    thief = house.gateway()
    thief.sent = gateway.sent
    thief.send(first)
    assert radius.ACCESS_REJECT == thief.receive().code
    assert "replay" == house.reasons(person)[-1]
    assert 1 == len(house.phones.calls(person.phone))


def test_proxy_states_come_back_in_every_reply_unchanged_and_in_order(house, gateway, person):
    hops = [(radius.PROXY_STATE, value) for value in (b"outer", b"\x00\xff", b"", b"outer")]
    expected = [value for _, value in hops]
    challenge = gateway.begin(person, *hops)
    assert expected == challenge.every(radius.PROXY_STATE)
    code = house.phones.code(person.phone)
    assert expected == gateway.answer(person, challenge, code, *hops).every(radius.PROXY_STATE)
    name = (radius.USER_NAME, person.name.encode())
    assert expected == gateway.ask([name, *hops], "wrong").every(radius.PROXY_STATE)
    assert expected == gateway.ask(hops, code=radius.STATUS_SERVER).every(radius.PROXY_STATE)


def test_proxy_states_that_leave_no_room_for_an_answer_are_rejected_and_ring_nobody(house, gateway, person):
    hops = [*[(radius.PROXY_STATE, bytes(253))] * 15, (radius.PROXY_STATE, bytes(148))]
    assert radius.ACCESS_REJECT == gateway.begin(person, *hops).code
    assert [] == house.phones.calls(person.phone)


@pytest.mark.parametrize("method", [CHAP, MS_CHAP, (radius.EAP_MESSAGE, b"\x02\x01\x00\x05\x01")])
def test_a_method_that_cannot_be_checked_is_rejected_and_counts_against_nobody(house, gateway, person, method):
    before = len(house.audit(reason="method_not_supported"))
    for _ in range(6):
        gateway.send(gateway.request([(radius.USER_NAME, person.name.encode()), method]))
    assert {radius.ACCESS_REJECT} == {gateway.receive().code for _ in range(6)}
    assert before + 6 == len(house.audit(reason="method_not_supported"))
    assert radius.ACCESS_CHALLENGE == gateway.begin(person).code


def test_wrong_passwords_do_count(house, gateway, person):
    for _ in range(5):
        gateway.send(gateway.request([(radius.USER_NAME, person.name.encode())], "not the password"))
    assert {radius.ACCESS_REJECT} == {gateway.receive().code for _ in range(5)}
    assert radius.ACCESS_REJECT == gateway.begin(person).code
    assert 1 == len(house.audit(reason="failure_limit"))
    assert [] == house.phones.calls(person.phone)


@pytest.mark.parametrize("attributes", [[], [(radius.USER_NAME, b"")], [(radius.SERVICE_TYPE, (17).to_bytes(4))]])
def test_a_request_without_a_name_is_rejected(house, gateway, attributes):
    before = len(house.audit(reason="bad_request"))
    assert radius.ACCESS_REJECT == gateway.ask(attributes, "whatever").code
    assert before + 1 == len(house.audit(reason="bad_request"))


def test_a_request_without_a_password_is_rejected(gateway, person):
    assert radius.ACCESS_REJECT == gateway.ask([(radius.USER_NAME, person.name.encode())]).code


def test_a_password_and_chap_together_are_a_bad_request(house, gateway, person):
    assert radius.ACCESS_REJECT == gateway.begin(person, CHAP).code
    assert [] == house.phones.calls(person.phone)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_an_umlaut_in_a_password_may_come_in_either_encoding(house, gateway, crowd, encoding):
    person = crowd["umlaut"]
    challenge = gateway.ask([(radius.USER_NAME, b"umlaut")], person.password.encode(encoding))
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenge, house.phones.code(person.phone)).code


@pytest.mark.parametrize("name", ["percent", "longest"])
def test_no_character_of_a_password_is_special_and_128_octets_fit(gateway, crowd, name):
    assert radius.ACCESS_CHALLENGE == gateway.begin(crowd[name]).code


def test_reply_attributes_go_by_group_and_on_the_accept_alone(house, gateway, crowd, person):
    def told(reply):
        kinds = (25, 27, 11, radius.VENDOR_SPECIFIC)
        return [pair for pair in reply.attributes if pair[0] in kinds]

    hour = (27, (3600).to_bytes(4))
    dns = (radius.VENDOR_SPECIFIC, (311).to_bytes(4) + b"\x1c\x06" + bytes((192, 0, 2, 53)))
    challenge = gateway.begin(crowd["staff"])
    assert [] == told(challenge)
    accept = gateway.answer(crowd["staff"], challenge, house.phones.code(crowd["staff"].phone))
    assert [hour, (25, b"OU=Staff"), dns] == told(accept)
    assert [] == told(gateway.ask([(radius.USER_NAME, b"staff")], "wrong"))
    challenge = gateway.begin(person)
    assert [hour] == told(gateway.answer(person, challenge, house.phones.code(person.phone)))


def test_a_provider_that_never_answers_is_not_waited_for_past_answer_within(house, crowd):
    impatient = house.gateway("127.0.0.4")
    begun = time.monotonic()
    challenge = impatient.begin(crowd["no-answer-from-provider"])
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert time.monotonic() - begun >= 0.3 - 0.01
    assert ["calling"] == house.reasons(crowd["no-answer-from-provider"])
    code = house.phones.code("+15005550033")
    assert radius.ACCESS_ACCEPT == impatient.answer(crowd["no-answer-from-provider"], challenge, code).code
    assert 1 == len(house.phones.calls("+15005550033"))


@pytest.mark.parametrize(
    ("name", "reason"), [("refused-by-provider", "number_refused"), ("provider-busy", "delivery_failed")]
)
def test_a_call_that_certainly_was_not_placed_is_a_reject(house, gateway, crowd, name, reason):
    assert radius.ACCESS_REJECT == gateway.begin(crowd[name]).code
    assert [reason] == house.reasons(crowd[name])


def test_many_people_log_in_at_once_with_one_call_each(house, pool):
    people = [pool.pop() for _ in range(6)]

    def log_in(person):
        gateway = house.gateway()
        challenge = gateway.begin(person)
        return gateway.answer(person, challenge, house.phones.code(person.phone)).code

    with ThreadPoolExecutor(6) as gateways:
        assert [radius.ACCESS_ACCEPT] * 6 == list(gateways.map(log_in, people))
    assert [1] * 6 == [len(house.phones.calls(person.phone)) for person in people]


def test_debug_shows_packets_and_decisions(house, gateway, person):
    challenge = gateway.begin(person)
    gateway.answer(person, challenge, house.phones.code(person.phone))
    house.line(f'"{person.name}": accept, because code_right', house.stdout)
    shown = "".join(house.stdout)
    assert re.search(r"<- gateway 127.0.0.1 port \d+: Access-Request", shown)
    assert re.search(r"-> gateway 127.0.0.1 port \d+: Access-Challenge", shown)
