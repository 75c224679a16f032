"""Logins whose code only the provider has: it is asked before the session changes, and once for each answer."""

import asyncio

import pytest

from radius_voice.events import Outcome, Reason, SecondFactorMode, ServiceRecord
from radius_voice.login.deliveries.requests import Indeterminate, NotPlaced
from radius_voice.login.model import Method, Unavailable
from tests.login.harness import ACCEPTED, FakeProvider, LoginHarness, limit, result_of
from tests.login.verify_double import VerifyDouble

UNANSWERED = (Outcome.NO_RESPONSE, Reason.VERIFIER_UNAVAILABLE)
WRONG, REDIALLED = (Outcome.CHALLENGE, Reason.WRONG_CODE), (Outcome.CHALLENGE, Reason.REDIAL)
NO_REDIAL = (Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE)


def texts(verify, **changes):
    """A harness whose logins get text messages through `verify`."""
    rules = {"methods": (Method.SMS,), **changes.pop("policy", {})}
    return LoginHarness(providers=(), by_method={Method.SMS: {verify.name: verify}}, policy=rules, **changes)


@pytest.fixture
def verify():
    return VerifyDouble()


@pytest.fixture
def harness(verify):
    return texts(verify)


async def attempts_left(harness):
    (key,) = harness.flow._sessions._recalled
    session = await harness.store.load(key)
    return session.attempts_left


async def test_the_code_of_the_provider_is_accepted_and_no_code_of_ours(harness, verify):
    challenge = await harness.begin()
    ours = verify.codes[0]
    wrong = await harness.answer(ours, challenge)
    assert WRONG == result_of(wrong)
    assert ACCEPTED == result_of(await harness.answer(verify.code, wrong))
    await harness.flow.drain()
    assert ([], []) == (verify.canceled, verify.approved)


async def test_a_typed_code_is_tidied_before_it_is_checked(harness, verify):
    challenge = await harness.begin()
    assert ACCEPTED == result_of(await harness.answer(f"{verify.code[:3]} {verify.code[3:]}", challenge))


@pytest.mark.parametrize("typed", ["12", "12345678901", "abcdef", "right", "", "phone", "phone2"])
async def test_what_cannot_be_a_code_is_not_checked(harness, verify, typed):
    challenge = await harness.begin()
    assert Outcome.CHALLENGE is (await harness.answer(typed, challenge)).outcome
    assert [] == verify.checks


async def test_a_password_of_digits_is_not_checked(verify):
    harness = texts(verify)
    harness.directory.password = "123456"
    challenge = await harness.begin("123456")
    again = await harness.answer("123456", challenge)
    assert (Outcome.CHALLENGE, Reason.PASSWORD_REPEATED) == result_of(again)
    assert [] == verify.checks


async def test_a_code_whose_life_has_ended_is_not_checked(harness, verify):
    challenge = await harness.begin()
    harness.clock.now += 121.0
    assert (Outcome.REJECT, Reason.EXPIRED) == result_of(await harness.answer(verify.code, challenge))
    await harness.flow.drain()
    assert ([], ["VE1"]) == (verify.checks, verify.canceled)


async def test_a_used_or_foreign_state_is_not_checked(harness, verify):
    challenge = await harness.begin()
    await harness.answer("000000", challenge)
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(await harness.answer(verify.code, challenge))
    foreign = await harness.answer(verify.code, challenge, client="other")
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(foreign)
    assert 1 == len(verify.checks)


async def test_a_verification_that_has_ended_is_a_wrong_code(harness, verify):
    challenge = await harness.begin()
    code = verify.code
    verify.pending.clear()
    assert WRONG == result_of(await harness.answer(code, challenge))


async def test_too_many_wrong_codes_cancel_the_verification(verify):
    harness = texts(verify, policy={"attempts": 1})
    challenge = await harness.begin()
    assert (Outcome.REJECT, Reason.NO_ATTEMPTS_LEFT) == result_of(await harness.answer("000000", challenge))
    await harness.flow.drain()
    assert ["VE1"] == verify.canceled


async def test_of_many_guesses_at_once_one_is_checked_and_the_others_cost_nothing(harness, verify):
    challenge = await harness.begin()
    verify.check_gate = asyncio.Event()
    guesses = [asyncio.create_task(harness.answer(f"{number:06}", challenge)) for number in range(20)]
    assert [UNANSWERED] * 19 == [result_of(each) for each in await asyncio.gather(*guesses[1:])]
    verify.check_gate.set()
    assert WRONG == result_of(await guesses[0])
    assert 1 == len(verify.checks)
    assert 2 == await attempts_left(harness)


# The provider does not answer


async def test_without_an_answer_there_is_no_response_and_no_attempt_is_lost(harness, verify):
    challenge = await harness.begin()
    verify.down = True
    assert UNANSWERED == result_of(await harness.answer(verify.code, challenge))
    assert 3 == await attempts_left(harness)
    verify.down = False
    assert ACCEPTED == result_of(await harness.answer(verify.code, challenge))


async def test_a_late_answer_is_kept_for_the_retransmission(verify):
    harness = texts(verify)
    harness.response_timeout = 0.3
    challenge = await harness.begin()
    code, verify.check_gate = verify.code, asyncio.Event()
    assert UNANSWERED == result_of(await harness.answer(code, challenge))
    verify.check_gate.set()
    await harness.flow.drain()
    assert ACCEPTED == result_of(await harness.answer(code, challenge))
    assert 1 == len(verify.checks)


async def test_a_retransmission_waits_for_the_check_that_is_under_way(harness, verify):
    challenge = await harness.begin()
    code, verify.check_gate = verify.code, asyncio.Event()
    both = [asyncio.create_task(harness.answer(code, challenge)) for _ in range(2)]
    await verify.checks_started.acquire()
    verify.check_gate.set()
    results = {result_of(decision) for decision in await asyncio.gather(*both)}
    assert {ACCEPTED, (Outcome.ACCEPT, Reason.REPEATED)} == results
    assert 1 == len(verify.checks)


async def test_a_failed_check_is_no_result_of_the_next_one(harness, verify):
    challenge = await harness.begin()
    verify.down = True
    for _ in range(2):
        assert UNANSWERED == result_of(await harness.answer(verify.code, challenge))
    assert 2 == len(verify.checks)


async def test_an_answer_that_cannot_be_stored_gets_no_response(harness, verify, monkeypatch):
    challenge = await harness.begin()

    async def put(*_):
        raise Unavailable("store", "down")

    monkeypatch.setattr(harness.store, "put", put)
    decision = await harness.answer("000000", challenge)
    assert (Outcome.NO_RESPONSE, Reason.STORE_UNAVAILABLE) == result_of(decision)
    assert 3 == await attempts_left(harness)


async def test_a_provider_that_is_no_longer_configured_cannot_check(harness, verify):
    challenge = await harness.begin()
    code = verify.code
    harness.by_method = {Method.SMS: {"other": FakeProvider()}}
    harness.restart_with(harness.store)
    assert UNANSWERED == result_of(await harness.answer(code, challenge))


# One check for one answer


async def test_joined_requests_with_the_same_code_spend_one_check(harness, verify):
    first, joined = await harness.begin(), await harness.begin()
    wrong = await harness.answer("000000", first)
    assert WRONG == result_of(wrong)
    assert WRONG == result_of(await harness.answer("000000", joined))
    assert 1 == len(verify.checks)
    assert ACCEPTED == result_of(await harness.answer(verify.code, wrong))


async def test_another_node_uses_the_answer_of_the_first(harness, verify):
    challenge = await harness.begin()
    code = verify.code
    assert ACCEPTED == result_of(await harness.answer(code, challenge))
    harness.restart_with(harness.store)
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(await harness.answer(code, challenge))
    assert 1 == len(verify.checks)


async def test_an_answer_survives_a_change_of_the_session_by_another_node(harness, verify, monkeypatch):
    challenge, joined = await harness.begin(), await harness.begin()
    first, code = harness.flow, verify.code
    harness.restart_with(harness.store)
    assert WRONG == result_of(await harness.answer("000000", joined))
    harness.flow = first  # recalls the session as it was before
    assert ACCEPTED == result_of(await harness.answer(code, challenge))
    assert 2 == len(verify.checks)


# Another delivery


async def test_a_redial_cancels_the_old_verification_first_and_its_code_is_wrong(harness, verify):
    challenge = await harness.begin()
    old = verify.code
    redial = await harness.answer("sms", challenge)
    assert REDIALLED == result_of(redial)
    assert ["VE1"] == verify.canceled
    wrong = await harness.answer(old, redial)
    assert WRONG == result_of(wrong)
    assert "VE2" == verify.checks[-1][0]
    assert ACCEPTED == result_of(await harness.answer(verify.code, wrong))


async def test_an_answer_counts_for_its_own_delivery_only(harness, verify):
    wrong = await harness.answer("900002", await harness.begin())
    assert WRONG == result_of(wrong)
    redial = await harness.answer("sms", wrong)
    assert "900002" == verify.code
    assert ACCEPTED == result_of(await harness.answer("900002", redial))


async def test_without_a_cancellation_there_is_no_redial(harness, verify):
    challenge = await harness.begin()
    verify.down = True
    refused = await harness.answer("sms", challenge)
    assert (NO_REDIAL, 1) == (result_of(refused), len(verify.requests))
    assert any(isinstance(each, ServiceRecord) and "could not be ended" in each.detail for each in harness.records)
    verify.down = False
    assert ACCEPTED == result_of(await harness.answer(verify.code, refused))


async def test_a_cancellation_that_takes_too_long_is_no_redial(harness, verify, monkeypatch):
    challenge = await harness.begin()
    harness.response_timeout = 0.3

    async def never(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(verify, "cancel", never)
    assert NO_REDIAL == result_of(await harness.answer("sms", challenge))


@pytest.mark.parametrize("typed", ["sms3", "phone"])
async def test_a_request_for_an_impossible_delivery_cancels_nothing(harness, verify, typed):
    challenge = await harness.begin()
    refused = await harness.answer(typed, challenge)
    assert (NO_REDIAL, []) == (result_of(refused), verify.canceled)
    assert ACCEPTED == result_of(await harness.answer(verify.code, refused))


async def test_a_limit_of_calls_cancels_nothing(verify):
    harness = texts(verify)
    harness.limits = type(harness.limits)(calls={"user": limit("calls.user", 1, Reason.CALL_LIMIT)})
    harness.restart_with(harness.store)
    challenge = await harness.begin()
    refused = await harness.answer("sms", challenge)
    assert (NO_REDIAL, []) == (result_of(refused), verify.canceled)
    assert "limits.calls.user" == refused.rule
    assert ACCEPTED == result_of(await harness.answer(verify.code, refused))


async def test_another_provider_delivers_a_code_of_ours_after_verify_did_not(verify):
    verify.results = [NotPlaced("down", outage=True)]
    other = FakeProvider(name="other")
    harness = LoginHarness(
        providers=(),
        by_method={Method.SMS: {"verify": verify, "other": other}},
        policy={"methods": (Method.SMS,)},
    )
    challenge = await harness.begin()
    assert ACCEPTED == result_of(await harness.answer(other.codes[0], challenge))
    assert [] == verify.checks


@pytest.mark.parametrize("method", [Method.SMS, Method.VOICE])
async def test_a_delivery_of_unknown_result_is_checked_by_its_phone(verify, method):
    harness = texts(verify) if method is Method.SMS else LoginHarness(providers=(verify,))
    verify.results = [Indeterminate("sent, then: timed out")]
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.DELIVERY_INDETERMINATE) == result_of(challenge)
    wrong = await harness.answer(verify.codes[0], challenge)
    assert WRONG == result_of(wrong)
    assert ACCEPTED == result_of(await harness.answer(verify.code, wrong))
    assert {("", "+12025550123")} == {check[:2] for check in verify.checks}


async def test_a_verification_without_a_reference_is_not_canceled_after_the_login(verify):
    verify.results = [Indeterminate("sent, then: timed out")]
    harness = texts(verify, policy={"attempts": 1})
    challenge = await harness.begin()
    await harness.answer("000000", challenge)
    await harness.flow.drain()
    assert [] == verify.canceled


async def test_a_verification_that_was_placed_after_the_end_of_its_login_is_canceled(verify):
    harness = texts(verify, policy={"attempts": 1})
    harness.response_timeout, verify.gate = 0.05, asyncio.Event()
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.DELIVERY_PENDING) == result_of(challenge)
    assert (Outcome.REJECT, Reason.NO_ATTEMPTS_LEFT) == result_of(await harness.answer("000000", challenge))
    verify.gate.set()
    await harness.flow.drain()
    assert ["VE1"] == verify.canceled


async def test_a_call_of_a_verification_is_live_until_it_must_be_over(verify):
    harness = LoginHarness(providers=(verify,))
    challenge = await harness.begin()
    refused = await harness.answer("phone", challenge)
    assert (NO_REDIAL, []) == (result_of(refused), verify.canceled)
    harness.clock.now += harness.flow._dependencies.policies["default"].rules.call_seconds
    assert REDIALLED == result_of(await harness.answer("phone", refused))
    assert ["VE1"] == verify.canceled


async def test_a_second_login_with_password_and_code_is_checked_once(verify):
    harness = texts(verify)
    harness.second_factor = SecondFactorMode.TWO_PASS
    assert Outcome.CHALLENGE is (await harness.begin()).outcome
    typed = f"right,{verify.code}"
    verify.down = True
    assert UNANSWERED == result_of(await harness.begin(typed))
    verify.down = False
    assert ACCEPTED == result_of(await harness.begin(typed))
    assert 2 == len(verify.checks)


# A code of ours, delivered by Verify


async def test_a_code_of_ours_is_compared_here_and_then_approved(verify):
    verify.keeps_code = False
    harness = texts(verify)
    challenge = await harness.begin()
    assert ACCEPTED == result_of(await harness.answer(verify.codes[0], challenge))
    await harness.flow.drain()
    assert ([], ["VE1"]) == (verify.checks, verify.approved)


async def test_a_redial_of_a_code_of_ours_cancels_the_old_verification(verify):
    verify.keeps_code = False
    harness = texts(verify)
    redial = await harness.answer("sms", await harness.begin())
    assert (REDIALLED, ["VE1"]) == (result_of(redial), verify.canceled)
    wrong = await harness.answer(verify.codes[0], redial)
    assert WRONG == result_of(wrong)
    assert ACCEPTED == result_of(await harness.answer(verify.codes[1], wrong))
