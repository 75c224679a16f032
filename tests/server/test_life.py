"""How a running server changes and ends: reloads, drains, overload, and a provider that is slow or gone."""

import signal
import time

import pytest

from radius_voice.radius import packet as radius

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.3s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
NEWCOMER = "  newcomer: {address: 127.0.0.2, secret: a shared secret of the tests}\n"
EIGHT_DIGITS = "policies: {default: {challenge: {digits: 8}}}\n"
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def people(make_person):
    return [make_person() for _ in range(4)]


def reload(house, configuration):
    """Read another configuration; the line that tells how that went."""
    house.write(configuration)
    house.send_signal(signal.SIGHUP)


def test_a_reload_lets_a_new_client_in_and_a_bad_file_changes_nothing(start, people):
    anne, bob, carl, _ = people
    with start(CONFIGURATION, people) as house:
        newcomer, gateway = house.gateway("127.0.0.2"), house.gateway()
        newcomer.send(newcomer.first(anne))
        house.settled()
        assert newcomer.silent()
        before = gateway.begin(bob)
        old_code = house.phones.code(bob.phone)

        reload(house, CONFIGURATION + NEWCOMER + EIGHT_DIGITS)
        house.line("reloaded", house.stderr)
        challenge = newcomer.begin(anne)
        assert 8 == len(house.phones.code(anne.phone))
        assert radius.ACCESS_ACCEPT == newcomer.answer(anne, challenge, house.phones.code(anne.phone)).code
        assert 6 == len(old_code)
        assert radius.ACCESS_ACCEPT == gateway.answer(bob, before, old_code).code, "a login begun before the reload"

        reload(house, CONFIGURATION + "  broken: {adress: 127.0.0.3}\n")
        bad = house.path.read_text().count("\n")
        told = house.line("reload_failed", house.stderr)
        assert f"{house.path}:{bad}: clients.broken.adress" in told
        assert 1 == house.metric("radius_voice_reloads_total", result="failed")
        assert 1 == house.metric("radius_voice_reloads_total", result="ok")
        assert radius.ACCESS_ACCEPT == newcomer.status().code, "the configuration before it holds"
        newcomer.begin(carl)
        assert 8 == len(house.phones.code(carl.phone))
        assert 1 == len(house.audit(kind="lifecycle", what="reload_failed"))


def test_a_reload_says_what_needs_a_restart(start, people):
    with start(CONFIGURATION, people) as house:
        reload(house, CONFIGURATION.replace("127.0.0.1:0", "127.0.0.9:0"))
        assert "needs a restart: server.listen" in house.line("reloaded", house.stderr)
        assert radius.ACCESS_ACCEPT == house.gateway().status().code


def test_a_client_that_a_reload_removes_hears_nothing_more_but_its_login_in_flight_ends(start, people, slow_phones):
    anne = people[0]
    with start(CONFIGURATION + NEWCOMER, people, phones=slow_phones) as house:
        newcomer = house.gateway("127.0.0.2")
        newcomer.send(newcomer.first(anne))
        house.settled()
        reload(house, CONFIGURATION)
        house.line("reloaded", house.stderr)
        assert newcomer.silent()
        challenge = newcomer.receive()
        assert radius.ACCESS_CHALLENGE == challenge.code
        newcomer.send(newcomer.second(anne, challenge, slow_phones.code(anne.phone)))
        house.settled()
        assert newcomer.silent()


def test_sigterm_answers_what_was_taken_and_takes_no_more(start, people, slow_phones):
    anne, bob, carl, _ = people
    with start(CONFIGURATION, people, phones=slow_phones) as house:
        gateway, late = house.gateway(), house.gateway()
        gateway.send(gateway.first(anne))
        gateway.send(gateway.request([(radius.USER_NAME, bob.name.encode())], "not the password"))
        house.settled()
        house.send_signal(signal.SIGTERM)
        house.line("draining", house.stderr)
        late.send(late.first(carl))
        assert {radius.ACCESS_CHALLENGE, radius.ACCESS_REJECT} == {gateway.receive().code, gateway.receive().code}
        assert 0 == house.wait()
        assert late.silent()
        lives = [each["what"] for each in house.audit(kind="lifecycle") if each["what"] != "warning"]
        assert ["started", "draining", "stopped"] == lives
        (called,) = house.audit(kind="call")
        assert "placed" == called["result"]
    assert (1, 0) == (len(slow_phones.calls(anne.phone)), len(slow_phones.calls(carl.phone)))


def test_a_duplicate_while_the_provider_thinks_is_silent_and_never_rings_twice(start, people, slow_phones):
    anne = people[0]
    with start(CONFIGURATION, people, phones=slow_phones) as house:
        gateway = house.gateway()
        first = gateway.first(anne)
        for _ in range(3):
            gateway.send(first)
        house.settled()
        assert gateway.silent()
        assert 2 == house.metric("radius_voice_discards_total", client="gateway", reason="duplicate")
        assert 2 == house.metric("radius_voice_duplicates_total", client="gateway")
        challenge = gateway.receive()
        house.settled()
        assert gateway.silent()
        assert 1 == len(slow_phones.calls(anne.phone))
        assert radius.ACCESS_ACCEPT == gateway.answer(anne, challenge, slow_phones.code(anne.phone)).code


def test_a_login_that_joins_while_the_provider_thinks_rings_once(start, people, slow_phones):
    anne = people[0]
    with start(CONFIGURATION, people, phones=slow_phones) as house:
        gateway, other = house.gateway(), house.gateway()
        gateway.send(gateway.first(anne))
        house.settled()
        joined = other.begin(anne)
        assert radius.ACCESS_CHALLENGE == gateway.receive().code
        assert 1 == len(slow_phones.calls(anne.phone))
        assert radius.ACCESS_ACCEPT == other.answer(anne, joined, slow_phones.code(anne.phone)).code


def test_a_slow_provider_is_waited_for_until_answer_within(start, people, slow_phones):
    anne = people[0]
    with start(CONFIGURATION.replace("tests}", "tests, answer_within: 0.4s}"), people, phones=slow_phones) as house:
        gateway = house.gateway()
        begun = time.monotonic()
        challenge = gateway.begin(anne)
        assert time.monotonic() - begun >= 0.4
        assert ["calling"] == house.reasons(anne)
        assert [] == house.audit(kind="call"), "the call had not been taken yet"
        assert radius.ACCESS_CHALLENGE == challenge.code


def test_a_call_that_a_slow_provider_places_late_is_good(start, people, slow_phones):
    anne = people[0]
    with start(CONFIGURATION.replace("tests}", "tests, answer_within: 0.2s}"), people, phones=slow_phones) as house:
        gateway = house.gateway()
        challenge = gateway.begin(anne)
        again = gateway.answer(anne, challenge, "phone")
        assert radius.ACCESS_CHALLENGE == again.code, "nobody knows the call yet, so it cannot be replaced"
        assert "cannot_redial" == house.reasons(anne)[-1]
        house.process.send_signal(signal.SIGTERM)
        assert 0 == house.wait(), "the ring ends before the server does"
        assert ["placed"] == [call["result"] for call in house.audit(kind="call")]
    assert 1 == len(slow_phones.calls(anne.phone))


def test_a_provider_that_is_gone_is_a_reject_and_an_alarm_for_people(start, people):
    anne = people[0]
    with start(CONFIGURATION, people, phones=NOWHERE) as house:
        reply = house.gateway().begin(anne)
        assert (radius.ACCESS_REJECT, b"Login refused.") == (reply.code, reply.first(radius.REPLY_MESSAGE))
        assert ["delivery_failed"] == house.reasons(anne)
        (call,) = house.audit(kind="call")
        assert "not_placed" == call["result"]
        assert "connection refused" in house.line("not_placed", house.stderr)
        assert 1 == house.metric("radius_voice_calls_total", provider="twilio", result="not_placed")


def test_under_overload_answers_go_first_and_what_does_not_fit_is_dropped_and_counted(start, people, slow_phones):
    anne, bob, carl, dora = people
    few = CONFIGURATION.replace("reject_delay: 0.3s", "max_in_flight: 1, max_waiting: 2")
    with start(few, people, phones=slow_phones) as house:
        gateway = house.gateway()
        challenge = gateway.begin(anne)
        code = slow_phones.code(anne.phone)
        gateway.send(gateway.first(bob))  # in flight
        gateway.send(gateway.first(carl))  # waits
        gateway.send(gateway.first(dora))  # waits, until somebody with a code comes
        answer = gateway.second(anne, challenge, code)
        gateway.send(answer)
        house.settled()
        assert 1 == house.metric("radius_voice_discards_total", client="gateway", reason="overload")
        replies = [gateway.receive() for _ in range(3)]
        codes = [radius.ACCESS_CHALLENGE, radius.ACCESS_ACCEPT, radius.ACCESS_CHALLENGE]
        assert codes == [reply.code for reply in replies]
        assert radius.decode(answer).identifier == replies[1].identifier
        assert [1, 1, 1, 0] == [len(slow_phones.calls(person.phone)) for person in people]


def test_who_waited_past_answer_within_is_not_dialled(start, people, slow_phones):
    anne, bob, *_ = people
    few = CONFIGURATION.replace("reject_delay: 0.3s", "max_in_flight: 1")
    hasty = "  hasty: {address: 127.0.0.2, secret: a shared secret of the tests, answer_within: 0.2s}\n"
    with start(few + hasty, people, phones=slow_phones) as house:
        patient, impatient = house.gateway(), house.gateway("127.0.0.2")
        patient.send(patient.first(anne))
        house.settled()
        impatient.send(impatient.first(bob))
        assert radius.ACCESS_CHALLENGE == patient.receive().code
        house.settled()
        assert 1 == house.metric("radius_voice_discards_total", client="hasty", reason="overload")
        assert impatient.silent()
        assert [] == slow_phones.calls(bob.phone)
