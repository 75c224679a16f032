import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.issued_states import MAX_UNUSED, MAX_USED, REPEAT_SECONDS
from radius_voice.login.inputs import CallProgress, Charge, DeliveryFailed, DeliveryPlaced, InitialRequest, Lockout
from radius_voice.login.model import CLOCK_STEP_SECONDS, CallRef, CallStatus
from radius_voice.login.session.state_machine import step
from tests.login.sessions import (
    LIFETIME,
    LOGIN,
    MAX_CALL,
    PHONES,
    REF,
    SESSION_TIMEOUT,
    challenge_response,
    session_row,
)


@pytest.fixture
def session():
    """A row whose call was placed."""
    return call_placed(step(None, InitialRequest(session_row()), 0).session)


def call_placed(session, ref=REF):
    return step(
        session, DeliveryPlaced(session.id, session.delivery.number, session.delivery.phone, ref), session.delivery.at
    ).session


def changed(transition):
    """The new row of a transition."""
    assert transition.session is not None
    return transition.session


def result_of(transition):
    return (transition.outcome, transition.reason)


def test_an_initial_request_opens_a_row_and_places_a_call():
    transition = step(None, InitialRequest(session_row()), 0)
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == result_of(transition)
    assert (True, True, Charge.CALL) == (transition.places_call, transition.issues_state, transition.charge)


def test_the_right_code_is_accepted_ends_the_call_and_clears_wrong_codes(session):
    transition = step(session, challenge_response(), 30)
    assert (Outcome.ACCEPT, Reason.CODE_CORRECT) == result_of(transition)
    assert (REF, Charge.CORRECT_CODE) == (transition.hang_up, transition.charge)


@pytest.mark.parametrize("ref", [REF, None])
def test_after_a_right_code_no_call_is_placed_until_the_last_call_is_over(session, ref):
    accepted = step(replace(session, delivery=replace(session.delivery, ref=ref)), challenge_response(), 30)
    assert ref == accepted.hang_up
    next_login = InitialRequest(session_row(31, login="login2"))
    assert (Outcome.REJECT, Reason.BUSY) == result_of(step(accepted.session, next_login, 31))
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == result_of(step(call_over(accepted.session), next_login, 31))
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == result_of(step(accepted.session, next_login, MAX_CALL))


def test_wrong_codes_use_attempts_and_the_last_one_ends_the_row(session):
    first = step(session, challenge_response(typed=b"wrong"), 1)
    assert (Outcome.CHALLENGE, Reason.WRONG_CODE) == result_of(first)
    assert (2, False, Charge.WRONG_CODE) == (changed(first).attempts_left, first.places_call, first.charge)
    second = step(first.session, challenge_response(b"state2", b"wrong", new_state=b"state3"), 2)
    third = step(second.session, challenge_response(b"state3", b"wrong", new_state=b"state4"), 3)
    assert (Outcome.REJECT, Reason.NO_ATTEMPTS_LEFT) == result_of(third)
    assert (REF, Charge.WRONG_CODE) == (third.hang_up, third.charge)
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(
        step(third.session, challenge_response(b"state2", b"code1"), 4)
    )


def test_the_right_code_after_a_wrong_one_is_accepted_under_the_new_state(session):
    wrong = step(session, challenge_response(typed=b"wrong"), 1).session
    assert (Outcome.ACCEPT, Reason.CODE_CORRECT) == result_of(step(wrong, challenge_response(b"state2"), 2))


def test_a_result_is_repeated_for_30_seconds_and_then_refused(session):
    accepted = step(session, challenge_response(), 10).session
    again = step(accepted, challenge_response(), 10 + REPEAT_SECONDS)
    assert (Outcome.ACCEPT, Reason.REPEATED, None) == (*result_of(again), again.session)
    late = step(accepted, challenge_response(), 10.1 + REPEAT_SECONDS)
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(late)
    other = step(accepted, challenge_response(typed=b"wrong"), 11)
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(other)


def test_a_repeated_wrong_code_gets_the_same_challenge_and_uses_no_attempt(session):
    wrong = step(session, challenge_response(typed=b"wrong"), 1).session
    again = step(wrong, challenge_response(typed=b"wrong"), 2)
    assert (Outcome.CHALLENGE, Reason.REPEATED) == result_of(again)
    assert (None, True, Charge.NOTHING) == (again.session, again.issues_state, again.charge)
    accepted = step(wrong, challenge_response(b"state2"), 3).session
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(step(accepted, challenge_response(typed=b"wrong"), 4))


def test_one_row_is_accepted_once_for_all_its_states(session):
    joined = step(session, InitialRequest(session_row(5, state=b"twin")), 5).session
    accepted = step(joined, challenge_response(), 6).session
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(step(accepted, challenge_response(b"twin"), 7))


def test_an_unknown_state_and_a_missing_row_are_refused(session):
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(step(session, challenge_response(b"other"), 1))
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(step(None, challenge_response(), 1))


@pytest.mark.parametrize("foreign", [{"client": "other"}, {"name": "bob"}])
def test_a_state_is_valid_only_for_its_client_entry_and_name(session, foreign):
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(step(session, challenge_response(**foreign), 1))
    assert (Outcome.ACCEPT, Reason.CODE_CORRECT) == result_of(step(session, challenge_response(name="ALICE"), 1))


def test_the_password_typed_again_uses_no_attempt(session):
    again = step(session, challenge_response(typed=b"pw"), 1)
    assert (Outcome.CHALLENGE, Reason.PASSWORD_REPEATED, 3) == (*result_of(again), changed(again).attempts_left)


def test_a_code_expires_its_lifetime_after_the_latest_time_of_answer(session):
    assert Outcome.ACCEPT == step(session, challenge_response(), MAX_CALL + LIFETIME - 1).outcome
    late = step(session, challenge_response(), MAX_CALL + LIFETIME)
    assert (Outcome.REJECT, Reason.EXPIRED) == result_of(late)
    assert changed(late).result is not None


def test_a_codes_lifetime_starts_when_the_call_is_answered(session):
    answered = step(session, CallProgress(LOGIN, 1, CallStatus.ANSWERED, LIFETIME), 10).session
    assert answered is not None
    assert 10 + LIFETIME == answered.code_until
    assert Reason.EXPIRED == step(answered, challenge_response(), 10 + LIFETIME).reason
    assert step(answered, CallProgress(LOGIN, 1, CallStatus.ANSWERED, LIFETIME), 20).session is None


def test_no_code_outlives_the_session_timeout(session):
    redial = step(call_over(session), InitialRequest(session_row(240, code=b"code2", state=b"s2")), 240).session
    assert redial is not None
    assert SESSION_TIMEOUT == redial.code_until
    assert (Outcome.REJECT, Reason.EXPIRED) == result_of(
        step(redial, challenge_response(b"s2", b"code2"), SESSION_TIMEOUT)
    )


def call_over(session, at=40):
    return step(session, CallProgress(session.id, session.delivery.number, CallStatus.NO_ANSWER, LIFETIME), at).session


def test_a_second_initial_request_joins_and_places_no_call(session):
    joined = step(session, InitialRequest(session_row(5, code=b"code2", state=b"twin")), 5)
    assert (Outcome.CHALLENGE, Reason.JOINED) == result_of(joined)
    assert (False, Charge.NOTHING) == (joined.places_call, joined.charge)
    assert (Outcome.ACCEPT, Reason.CODE_CORRECT) == result_of(
        step(joined.session, challenge_response(b"twin", b"code1"), 6)
    )


@pytest.mark.parametrize(
    "other", [{"password": b"other"}, {"calling_station_id": "198.51.100.1"}, {"calling_station_id": ""}]
)
def test_another_request_while_a_call_is_live_is_refused(session, other):
    transition = step(session, InitialRequest(session_row(5, **other)), 5)
    assert (Outcome.REJECT, Reason.BUSY, None) == (*result_of(transition), transition.session)


def test_another_request_after_the_call_opens_a_new_row(session):
    transition = step(call_over(session), InitialRequest(session_row(50, password=b"other", login="login2")), 50)
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED, "login2") == (*result_of(transition), changed(transition).id)


def test_logging_in_again_after_a_missed_call_places_a_call_with_a_new_code(session):
    again = step(call_over(session), InitialRequest(session_row(50, code=b"code2", state=b"state2")), 50)
    assert (Outcome.CHALLENGE, Reason.REDIAL) == result_of(again)
    assert (True, Charge.CALL, 2, 1, "login1") == (
        again.places_call,
        again.charge,
        changed(again).delivery.number,
        changed(again).redials_left,
        changed(again).id,
    )
    assert Reason.WRONG_CODE == step(again.session, challenge_response(b"state2", b"code1"), 51).reason
    assert Outcome.ACCEPT == step(again.session, challenge_response(b"state1", b"code2"), 51).outcome


def test_a_call_without_status_updates_is_over_after_ring_timeout_and_message(session):
    assert Reason.JOINED == step(session, InitialRequest(session_row(89, state=b"s2")), MAX_CALL - 1).reason
    assert Reason.REDIAL == step(session, InitialRequest(session_row(90, state=b"s2")), MAX_CALL).reason


def test_redials_are_limited_and_none_starts_too_late_to_be_answered(session):
    none_left = replace(call_over(session), redials_left=0)
    assert (Outcome.REJECT, Reason.NO_REDIALS_LEFT) == result_of(step(none_left, InitialRequest(session_row(50)), 50))
    assert (
        Reason.NO_REDIALS_LEFT
        == step(call_over(session), InitialRequest(session_row()), SESSION_TIMEOUT - MAX_CALL + 1).reason
    )


def test_a_new_row_keeps_recent_results_of_the_previous_one(session):
    accepted = call_over(step(session, challenge_response(), 10).session)
    new = step(accepted, InitialRequest(session_row(20, code=b"code9", state=b"state9", login="login2")), 20).session
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(step(new, challenge_response(), 21))
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(step(new, challenge_response(), 41))
    much_later = step(accepted, InitialRequest(session_row(60, state=b"state9")), 60).session
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(step(much_later, challenge_response(), 61))


def test_phone_requests_a_new_call_and_hangs_up_the_live_one_first(session):
    again = step(session, challenge_response(typed=b"phone", phone=0), 20)
    assert (Outcome.CHALLENGE, Reason.REDIAL) == result_of(again)
    assert (REF, True, Charge.CALL, PHONES[0], b"code2") == (
        again.hang_up,
        again.places_call,
        again.charge,
        changed(again).delivery.phone,
        changed(again).code,
    )


def test_phone2_calls_the_second_phone(session):
    again = step(call_over(session), challenge_response(typed=b"phone2", phone=1), 50)
    assert (True, None, PHONES[1]) == (again.places_call, again.hang_up, changed(again).delivery.phone)


@pytest.mark.parametrize(
    ("change", "event"),
    [
        ({}, {"phone": 2}),
        ({"redials_left": 0}, {"phone": 0}),
        ({}, {"phone": 0, "redial_allowed": False}),
    ],
)
def test_a_call_that_cannot_be_placed_again_keeps_the_challenge_and_its_code(session, change, event):
    again = step(replace(session, **change), challenge_response(typed=b"phone", **event), 20)
    assert (Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE, 3, False) == (
        *result_of(again),
        changed(again).attempts_left,
        again.places_call,
    )
    assert Outcome.ACCEPT == step(again.session, challenge_response(b"state2"), 21).outcome


def test_an_indeterminate_call_is_not_replaced_while_it_may_be_live():
    pending = step(None, InitialRequest(session_row()), 0).session
    assert Reason.REDIAL_UNAVAILABLE == step(pending, challenge_response(phone=0), 20).reason
    assert Reason.REDIAL == step(pending, challenge_response(phone=0), MAX_CALL).reason


def test_too_many_wrong_codes_end_the_row(session):
    locked = step(session, Lockout(b"state1", b"answer"), 5)
    assert (Outcome.REJECT, Reason.LOCKED, REF) == (*result_of(locked), locked.hang_up)
    accepted = step(session, challenge_response(), 5).session
    assert step(accepted, Lockout(b"state1", b"answer"), 6).session is None


def test_a_call_placed_too_late_is_hung_up(session):
    late = CallRef("twilio", "CA9")
    accepted = step(session, challenge_response(), 5).session
    assert late == step(accepted, DeliveryPlaced(LOGIN, 1, PHONES[0], late), 6).hang_up
    assert late == step(session, DeliveryPlaced(LOGIN, 2, PHONES[0], late), 6).hang_up


def test_a_call_status_changes_only_its_own_session(session):
    late = CallRef("twilio", "CA9")
    placed_late = step(session, DeliveryPlaced("before", 1, PHONES[0], late), 6)
    assert (None, late) == (placed_late.session, placed_late.hang_up)
    assert (
        step(session, DeliveryFailed("before", 1, Reason.DELIVERY_FAILED, bypass=True, refund=True), 6).session is None
    )
    assert step(session, CallProgress("before", 1, CallStatus.COMPLETED, LIFETIME), 6).session is None
    assert late == step(None, DeliveryPlaced(LOGIN, 1, PHONES[0], late), 6).hang_up


def test_a_user_whose_session_ended_is_called_again_only_when_the_call_is_over():
    pending = step(None, InitialRequest(session_row(attempts_left=1)), 0).session
    ended = step(pending, challenge_response(typed=b"wrong"), 5).session
    assert (Outcome.REJECT, Reason.BUSY) == result_of(step(ended, InitialRequest(session_row(6, login="login2")), 6))
    hung_up = step(ended, CallProgress(LOGIN, 1, CallStatus.COMPLETED, LIFETIME), 7).session
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == result_of(
        step(hung_up, InitialRequest(session_row(8, login="login2")), 8)
    )
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == result_of(
        step(ended, InitialRequest(session_row(MAX_CALL, login="login2")), MAX_CALL)
    )


def test_a_call_that_was_not_placed_frees_the_user_of_an_ended_session():
    ended = step(
        step(None, InitialRequest(session_row(attempts_left=1)), 0).session, challenge_response(typed=b"wrong"), 5
    ).session
    failed = step(ended, DeliveryFailed(LOGIN, 1, Reason.DELIVERY_FAILED, bypass=True, refund=True), 6)
    assert (Outcome.NO_RESPONSE, Charge.CALL_REFUND, False) == (
        failed.outcome,
        failed.charge,
        changed(failed).live_at(6),
    )


def test_another_spelling_of_a_name_is_the_same_name(session):
    for name in ("ALICE", " alice ", "alice"):
        assert Outcome.ACCEPT == step(session, challenge_response(name=name), 1).outcome


def test_a_call_that_was_not_placed_ends_the_row_and_is_refunded():
    pending = step(None, InitialRequest(session_row()), 0).session
    failed = step(pending, DeliveryFailed(LOGIN, 1, Reason.DELIVERY_FAILED, bypass=False, refund=True), 1)
    assert (Outcome.REJECT, Reason.DELIVERY_FAILED, Charge.CALL_REFUND) == (*result_of(failed), failed.charge)
    assert (
        step(failed.session, DeliveryFailed(LOGIN, 1, Reason.DELIVERY_FAILED, bypass=True, refund=True), 2).session
        is None
    )


def test_a_configured_bypass_accepts_when_no_call_was_placed():
    pending = step(None, InitialRequest(session_row()), 0).session
    bypass = step(pending, DeliveryFailed(LOGIN, 1, Reason.DELIVERY_FAILED, bypass=True, refund=True), 1)
    assert (Outcome.ACCEPT, Reason.BYPASS) == result_of(bypass)
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(step(bypass.session, challenge_response(), 2))


def test_each_status_of_a_call_counts_once(session):
    earlier = [CallStatus.QUEUED]
    for status in (CallStatus.RINGING, CallStatus.ANSWERED, CallStatus.COMPLETED):
        session = changed(step(session, CallProgress(LOGIN, 1, status, LIFETIME), 5))
        earlier.append(status)
        assert [None] * len(earlier) == [
            step(session, CallProgress(LOGIN, 1, each, LIFETIME), 6).session for each in earlier
        ]
    assert (True, CallStatus.COMPLETED) == (session.delivery.over, session.delivery.status)


@pytest.mark.parametrize("end", [status for status in CallStatus if status.over])
def test_the_end_of_a_call_is_final(session, end):
    ended = changed(step(session, CallProgress(LOGIN, 1, end, LIFETIME), 5))
    assert (True, end) == (ended.delivery.over, ended.delivery.status)
    for status in CallStatus:
        assert step(ended, CallProgress(LOGIN, 1, status, LIFETIME), 6).session is None


def test_a_status_names_the_call_if_it_is_not_known(session):
    pending = step(None, InitialRequest(session_row()), 0).session
    answered = changed(step(pending, CallProgress(LOGIN, 1, CallStatus.ANSWERED, LIFETIME, REF), 5))
    assert (REF, 5) == (answered.delivery.ref, answered.delivery.answered_at)
    assert REF == step(answered, challenge_response(), 6).hang_up


@pytest.mark.parametrize("status", CallStatus)
def test_a_status_of_another_call_than_the_present_one_changes_nothing(session, status):
    other = CallRef("twilio", "CA2")
    assert step(session, CallProgress(LOGIN, 1, status, LIFETIME, other), 5).session is None


def test_only_the_end_of_a_call_counts_once_the_session_has_a_result(session):
    accepted = changed(step(session, challenge_response(), 4))
    for status in (CallStatus.RINGING, CallStatus.ANSWERED):
        assert step(accepted, CallProgress(LOGIN, 1, status, LIFETIME, REF), 5).session is None
    assert changed(step(accepted, CallProgress(LOGIN, 1, CallStatus.BUSY, LIFETIME, REF), 5)).delivery.over


def test_a_session_with_32_unused_states_rejects_joins_and_keeps_all_states(session):
    for number in range(MAX_UNUSED - 1):
        session = step(session, InitialRequest(session_row(state=b"twin%d" % number)), 5).session
    refused = step(session, InitialRequest(session_row(state=b"one too many")), 5)
    assert (Outcome.REJECT, Reason.JOIN_LIMIT, None) == (*result_of(refused), refused.session)
    assert (Outcome.REJECT, Reason.JOIN_LIMIT) == result_of(
        step(call_over(session), InitialRequest(session_row(50, state=b"too many")), 50)
    )
    for state in (b"state1", b"twin0", b"twin%d" % (MAX_UNUSED - 2)):
        assert Outcome.ACCEPT == step(session, challenge_response(state), 6).outcome


def test_used_states_are_evicted_for_new_ones(session):
    for number in range(2 * MAX_UNUSED):
        session = step(
            session, challenge_response(session.states[-1].state, b"pw", new_state=b"next%d" % number), 5
        ).session
    assert 1 == sum(each.result is None for each in session.states)
    assert len(session.states) <= MAX_USED + 1
    assert Outcome.ACCEPT == step(session, challenge_response(session.states[-1].state), 6).outcome


def test_the_repr_of_a_row_has_no_secret():
    assert "code1" not in repr(session_row())
    assert "pw" not in repr(session_row())


def test_a_row_from_before_a_clock_change_has_ended_and_blocks_nothing():
    ahead = session_row(CLOCK_STEP_SECONDS + 1)
    assert Reason.EXPIRED is step(ahead, challenge_response(), 0.0).reason
    opened = step(ahead, InitialRequest(session_row(0.0)), 0.0)
    assert (Reason.CALL_PLACED, True) == (opened.reason, opened.places_call)


def test_a_clock_set_back_slightly_ends_no_session():
    assert Reason.CODE_CORRECT is step(session_row(CLOCK_STEP_SECONDS), challenge_response(), 0.0).reason
    assert Reason.JOINED is step(session_row(CLOCK_STEP_SECONDS), InitialRequest(session_row(0.0)), 0.0).reason
