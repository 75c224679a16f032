"""Codes that the help desk issues: one login without a call, under the same limits as other logins."""

import math

import msgspec
import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.issued_codes import (
    ALPHABET,
    GROUP_LENGTH,
    GROUPS,
    STORED_UNDER,
    IssuedCode,
    IssuedCodes,
    new_issued_code,
    one_use,
    tidy_issued_code,
)
from radius_voice.login.codes.keys import Keys
from radius_voice.login.inputs import InitialRequest
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import CLOCK_STEP_SECONDS, CallStatus, LimitAction, Limited, SwapResult
from radius_voice.login.session.state_machine import step
from radius_voice.messages import LANGUAGES, SHIPPED
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, limit, result_of
from tests.login.sessions import challenge_response, issued_session_row, session_row

WITHOUT_PHONE = replace(ALICE, phones=())
ASKED = (Outcome.CHALLENGE, Reason.ISSUED_CODE)
COMPLETED = (Outcome.ACCEPT, Reason.ISSUED_CODE_CORRECT)
EXPIRED = (Outcome.REJECT, Reason.EXPIRED)
HOUR = 3600.0


@pytest.fixture
def harness():
    codes = {"user": limit("wrong_codes.user", 3, Reason.LOCKED, 86400.0)}
    return LoginHarness(directory=FakeDirectory(WITHOUT_PHONE), limits=Limits(codes=codes))


async def issue(harness, seconds=HOUR):
    code, _ = await IssuedCodes(Keys(b"k" * 32), harness.store, harness.clock).issue("people:alice-id", seconds)
    return code


def test_a_code_has_50_bits_and_no_characters_that_look_alike():
    code = new_issued_code()
    assert (GROUPS, GROUPS * GROUP_LENGTH) == (len(code.split("-")), len(tidy_issued_code(code)))
    assert math.log2(len(set(ALPHABET))) * GROUPS * GROUP_LENGTH >= 50
    assert set(tidy_issued_code(code)) <= set(ALPHABET)
    assert set() == set("0O1IL2Z5S8BU") & set(ALPHABET)
    assert code != new_issued_code()


async def test_a_user_without_a_phone_logs_in_once_with_an_issued_code(harness):
    assert (Outcome.REJECT, Reason.NO_PHONE) == result_of(await harness.begin())
    code = await issue(harness)
    challenge = await harness.begin()
    assert (ASKED, "Enter the code from the help desk:") == (result_of(challenge), challenge.text)
    accepted = await harness.answer(code, challenge)
    assert (COMPLETED, "") == (result_of(accepted), accepted.phone)
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(await harness.answer(code, challenge))
    assert (Outcome.REJECT, Reason.NO_PHONE) == result_of(await harness.begin())
    assert [] == harness.provider.requests


@pytest.mark.parametrize("typed", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {' '.join(code)} "])
async def test_case_spaces_and_hyphens_of_a_typed_code_make_no_difference(harness, typed):
    code = await issue(harness)
    assert COMPLETED == result_of(await harness.answer(typed(code), await harness.begin()))


async def test_the_first_factor_must_be_right(harness):
    await issue(harness)
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD) == result_of(await harness.begin("wrong"))


async def test_a_disabled_user_cannot_use_an_issued_code(harness):
    code = await issue(harness)
    challenge = await harness.begin()
    harness.directory.users["alice"] = replace(WITHOUT_PHONE, disabled=True)
    assert (Outcome.REJECT, Reason.DISABLED) == result_of(await harness.begin())
    assert (Outcome.REJECT, Reason.DISABLED) == result_of(await harness.answer(code, challenge))


async def test_a_new_password_ends_the_login(harness):
    code = await issue(harness)
    challenge = await harness.begin()
    harness.directory.password_id_now = "second"
    assert (Outcome.REJECT, Reason.PASSWORD_CHANGED) == result_of(await harness.answer(code, challenge))


async def test_wrong_codes_count_towards_the_lock_of_the_user(harness):
    code = await issue(harness)
    challenge = await harness.begin()
    texts = []
    for _ in range(2):
        challenge = await harness.answer("ACDE-FGHJ-KMNP", challenge)
        texts.append(challenge.text)
    assert texts == [
        "Wrong code, 2 attempts left. Enter the code from the help desk:",
        "Wrong code, 1 attempt left. Enter the code from the help desk:",
    ]
    last = await harness.answer("ACDE-FGHJ-KMNP", challenge)
    assert (Outcome.REJECT, Reason.NO_ATTEMPTS_LEFT) == result_of(last)
    assert (Outcome.REJECT, Reason.LOCKED) == result_of(await harness.begin())
    harness.clock.now += 86400.0 / 3
    code = await issue(harness)
    assert COMPLETED == result_of(await harness.answer(code, await harness.begin()))


async def test_a_lock_that_is_reached_elsewhere_also_stops_a_right_code(harness):
    code = await issue(harness)
    challenge = await harness.begin()
    await harness.store.apply_limits(harness.limits.for_code({"user": "people:alice-id"}) * 3)
    assert (Outcome.REJECT, Reason.LOCKED) == result_of(await harness.answer(code, challenge))


async def test_an_issued_code_expires_by_wall_clock(harness):
    code = await issue(harness, 120.0)
    challenge = await harness.begin()
    harness.clock.now += 120.0
    assert EXPIRED == result_of(await harness.answer(code, challenge))
    assert (Outcome.REJECT, Reason.NO_PHONE) == result_of(await harness.begin())


@pytest.mark.parametrize(
    ("seconds", "set_back", "valid"),
    [(HOUR, CLOCK_STEP_SECONDS, True), (HOUR, CLOCK_STEP_SECONDS + 1, False), (86400.0, 2 * HOUR, False)],
)
async def test_a_clock_that_is_set_back_does_not_extend_a_code(harness, seconds, set_back, valid):
    await issue(harness, seconds)
    harness.clock.now -= set_back
    expected = ASKED if valid else (Outcome.REJECT, Reason.NO_PHONE)
    assert expected == result_of(await harness.begin())


def test_a_code_of_a_version_that_stored_no_time_of_issue_is_valid_for_a_day_at_most():
    issued = msgspec.msgpack.decode(msgspec.msgpack.encode({"code": b"code", "expires_at": 1e6}), type=IssuedCode)
    times = (1e6 - 86400 - CLOCK_STEP_SECONDS - 1, 1e6 - 86400 - CLOCK_STEP_SECONDS, 1e6 - 1, 1e6)
    assert [False, True, True, False] == [issued.valid_at(now) for now in times]


async def test_a_new_code_replaces_the_former_one_also_in_an_open_login(harness):
    former = await issue(harness)
    challenge = await harness.begin()
    code = await issue(harness)
    assert EXPIRED == result_of(await harness.answer(former, challenge))
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.WRONG_CODE) == result_of(challenge := await harness.answer(former, challenge))
    assert COMPLETED == result_of(await harness.answer(code, challenge))


async def test_a_withdrawn_code_is_not_valid_any_longer_and_is_withdrawn_once(harness):
    code = await issue(harness)
    codes = IssuedCodes(Keys(b"k" * 32), harness.store, harness.clock)
    challenge = await harness.begin()
    assert [True, False] == [await codes.withdraw("people:alice-id") for _ in range(2)]
    assert EXPIRED == result_of(await harness.answer(code, challenge))
    assert (Outcome.REJECT, Reason.NO_PHONE) == result_of(await harness.begin())


async def test_a_second_request_joins_the_login_that_waits_for_the_same_code(harness):
    code = await issue(harness)
    first, second = await harness.begin(), await harness.begin()
    assert (ASKED, (Outcome.CHALLENGE, Reason.JOINED)) == (result_of(first), result_of(second))
    assert (first.session, "Enter the code from the help desk:") == (second.session, second.text)
    assert COMPLETED == result_of(await harness.answer(code, first))


async def test_another_call_cannot_be_requested(harness):
    code = await issue(harness)
    challenge = await harness.answer("phone", await harness.begin())
    assert (Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE) == result_of(challenge)
    assert "Enter the code from the help desk:" == challenge.text
    assert COMPLETED == result_of(await harness.answer(code, challenge))


async def test_logins_at_two_clients_are_not_both_accepted(harness):
    code = await issue(harness)
    challenges = {client: await harness.begin(client=client) for client in ("vpn", "other")}
    results = [result_of(await harness.answer(code, challenges[client], client=client)) for client in challenges]
    assert [COMPLETED, EXPIRED] == results


async def test_the_accept_itself_uses_the_code_up():
    """Two nodes may both have found the code unused: the transaction that accepts the second login must fail."""
    harness = LoginHarness()
    first, second = issued_session_row(), issued_session_row(key=b"o" * 16, client="other")
    assert SwapResult.DONE is await harness.store.compare_and_swap(None, first, [one_use(first)])
    refused = await harness.store.compare_and_swap(None, second, [one_use(second)])
    assert isinstance(refused, Limited)
    assert Reason.EXPIRED is refused.limit.reason


async def test_the_use_of_a_code_is_stored_longer_than_the_code_is_valid(harness):
    session = issued_session_row()
    await harness.store.apply_limits([one_use(session)])
    harness.clock.now += 86400.0
    assert await harness.store.apply_limits([replace(one_use(session), action=LimitAction.CHECK)]) is not None


async def test_a_user_whose_phone_is_lost_is_not_called(harness):
    harness.directory.users["alice"] = ALICE
    code = await issue(harness)
    assert COMPLETED == result_of(await harness.answer(code, await harness.begin()))
    assert [] == harness.provider.requests
    called = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == result_of(called)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], called))


async def test_while_a_call_may_be_live_the_login_by_an_issued_code_is_rejected(harness):
    harness.directory.users["alice"] = ALICE
    await harness.begin()
    code = await issue(harness)
    assert (Outcome.REJECT, Reason.BUSY) == result_of(await harness.begin())
    (call,) = harness.store._calls
    await harness.flow.on_call_event(call, CallStatus.NO_ANSWER)
    assert COMPLETED == result_of(await harness.answer(code, await harness.begin()))


async def test_an_issued_code_is_for_its_user_only(harness):
    bob = replace(WITHOUT_PHONE, id="bob-id", name="bob")
    harness.directory.users["bob"] = bob
    code = await issue(harness)
    assert (Outcome.REJECT, Reason.NO_PHONE) == result_of(await harness.begin(name="bob"))
    assert COMPLETED == result_of(await harness.answer(code, await harness.begin()))


async def test_the_store_has_no_issued_code_in_readable_form(harness):
    code = await issue(harness)
    ((key, (value, _)),) = harness.store._kept.items()
    assert key.startswith(STORED_UNDER)
    assert b"alice" not in key
    for form in (code, tidy_issued_code(code)):
        assert form.encode() not in value


def test_a_login_by_an_issued_code_opens_after_another_login_is_over():
    waiting = step(None, InitialRequest(session_row()), 0.0).session
    opened = step(waiting, InitialRequest(issued_session_row(100.0, login="login2")), 100.0)
    assert opened.session is not None
    assert (Outcome.CHALLENGE, "login2", False) == (opened.outcome, opened.session.id, opened.places_call)
    accepted = step(opened.session, challenge_response(typed=b"issued"), 101.0)
    assert COMPLETED == (accepted.outcome, accepted.reason)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_prompt_is_in_the_language_of_the_user(harness, language):
    harness.directory.users["alice"] = replace(WITHOUT_PHONE, language=language)
    await issue(harness)
    assert SHIPPED.messages_for(language).shown.issued_code == (await harness.begin()).text


async def test_a_code_is_valid_until_the_time_that_was_stored_with_it(harness):
    late = IssuedCodes(Keys(b"k" * 32), harness.store, lambda: harness.clock.now - 2 * HOUR)
    await late.issue("people:alice-id", HOUR)
    assert (Outcome.REJECT, Reason.NO_PHONE) == result_of(await harness.begin())


def test_the_same_code_of_two_users_has_two_hashes():
    keys = Keys(b"k" * 32)
    assert keys.issued_code("people:alice-id", "ACDE") != keys.issued_code("people:bob-id", "ACDE")
