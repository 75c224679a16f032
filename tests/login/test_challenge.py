import pytest

from radius_voice.events import Outcome, Reason
from radius_voice.login.challenge import (
    CallChanged,
    CallFailed,
    CallPlaced,
    Charge,
    First,
    LockedOut,
    step,
)
from radius_voice.login.issued import MAX_UNUSED, MAX_USED, REPEATED_FOR
from radius_voice.login.model import SET_BACK, CallRef, CallStatus
from tests.login.rows import CAP, LIFETIME, LIVE, LOGIN, PHONES, REF, answered, blank


@pytest.fixture
def row():
    """A row whose call was placed."""
    return placed(step(None, First(blank()), 0).row)


def placed(row, ref=REF):
    return step(row, CallPlaced(row.id, row.call.number, row.call.phone, ref), row.call.at).row


def told(stepped):
    return (stepped.outcome, stepped.reason)


def test_a_first_packet_opens_a_row_and_rings():
    stepped = step(None, First(blank()), 0)
    assert (Outcome.CHALLENGE, Reason.CALLED) == told(stepped)
    assert (True, True, Charge.CALL) == (stepped.ring, stepped.hands_out, stepped.charge)


def test_the_right_code_is_accepted_ends_the_call_and_clears_wrong_codes(row):
    stepped = step(row, answered(), 30)
    assert (Outcome.ACCEPT, Reason.CODE_RIGHT) == told(stepped)
    assert (REF, Charge.RIGHT_CODE) == (stepped.hang_up, stepped.charge)


@pytest.mark.parametrize("ref", [REF, None])
def test_after_a_right_code_nobody_is_called_until_the_call_is_known_to_be_over(row, ref):
    accepted = step(row._replace(call=row.call._replace(ref=ref)), answered(), 30)
    assert ref == accepted.hang_up
    next_login = First(blank(31, login="login2"))
    assert (Outcome.REJECT, Reason.BUSY) == told(step(accepted.row, next_login, 31))
    assert (Outcome.CHALLENGE, Reason.CALLED) == told(step(over(accepted.row), next_login, 31))
    assert (Outcome.CHALLENGE, Reason.CALLED) == told(step(accepted.row, next_login, LIVE))


def test_wrong_codes_cost_tries_and_the_last_one_ends_the_row(row):
    first = step(row, answered(typed=b"wrong"), 1)
    assert (Outcome.CHALLENGE, Reason.WRONG_CODE) == told(first)
    assert (2, False, Charge.WRONG_CODE) == (first.row.tries, first.ring, first.charge)
    second = step(first.row, answered(b"state2", b"wrong", new_state=b"state3"), 2)
    third = step(second.row, answered(b"state3", b"wrong", new_state=b"state4"), 3)
    assert (Outcome.REJECT, Reason.NO_TRIES) == told(third)
    assert (REF, Charge.WRONG_CODE) == (third.hang_up, third.charge)
    assert (Outcome.REJECT, Reason.USED_STATE) == told(step(third.row, answered(b"state2", b"code1"), 4))


def test_the_right_code_after_a_wrong_one_is_accepted_under_the_new_state(row):
    wrong = step(row, answered(typed=b"wrong"), 1).row
    assert (Outcome.ACCEPT, Reason.CODE_RIGHT) == told(step(wrong, answered(b"state2"), 2))


def test_a_verdict_is_repeated_for_a_while_and_then_refused(row):
    accepted = step(row, answered(), 10).row
    again = step(accepted, answered(), 10 + REPEATED_FOR)
    assert (Outcome.ACCEPT, Reason.REPEATED, None) == (*told(again), again.row)
    late = step(accepted, answered(), 10.1 + REPEATED_FOR)
    assert (Outcome.REJECT, Reason.USED_STATE) == told(late)
    other = step(accepted, answered(typed=b"wrong"), 11)
    assert (Outcome.REJECT, Reason.USED_STATE) == told(other)


def test_a_repeated_wrong_answer_gets_the_challenge_again_and_costs_nothing(row):
    wrong = step(row, answered(typed=b"wrong"), 1).row
    again = step(wrong, answered(typed=b"wrong"), 2)
    assert (Outcome.CHALLENGE, Reason.REPEATED) == told(again)
    assert (None, True, Charge.NOTHING) == (again.row, again.hands_out, again.charge)
    accepted = step(wrong, answered(b"state2"), 3).row
    assert (Outcome.REJECT, Reason.USED_STATE) == told(step(accepted, answered(typed=b"wrong"), 4))


def test_acceptance_happens_once_for_all_states_of_a_row(row):
    joined = step(row, First(blank(5, state=b"twin")), 5).row
    accepted = step(joined, answered(), 6).row
    assert (Outcome.REJECT, Reason.USED_STATE) == told(step(accepted, answered(b"twin"), 7))


def test_an_unknown_state_and_a_missing_row_are_refused(row):
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == told(step(row, answered(b"other"), 1))
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == told(step(None, answered(), 1))


@pytest.mark.parametrize("foreign", [{"client": "other"}, {"name": "bob"}])
def test_a_state_counts_for_its_client_entry_and_name_alone(row, foreign):
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == told(step(row, answered(**foreign), 1))
    assert (Outcome.ACCEPT, Reason.CODE_RIGHT) == told(step(row, answered(name="ALICE"), 1))


def test_the_password_typed_again_costs_no_try(row):
    again = step(row, answered(typed=b"pw"), 1)
    assert (Outcome.CHALLENGE, Reason.PASSWORD_AGAIN, 3) == (*told(again), again.row.tries)


def test_a_code_expires_a_lifetime_after_the_latest_moment_the_call_may_be_answered(row):
    assert Outcome.ACCEPT == step(row, answered(), LIVE + LIFETIME - 1).outcome
    late = step(row, answered(), LIVE + LIFETIME)
    assert (Outcome.REJECT, Reason.EXPIRED) == told(late)
    assert late.row.verdict is not None


def test_a_code_lives_from_the_moment_the_call_is_answered(row):
    heard = step(row, CallChanged(LOGIN, 1, CallStatus.ANSWERED, LIFETIME), 10).row
    assert 10 + LIFETIME == heard.code_until
    assert Reason.EXPIRED == step(heard, answered(), 10 + LIFETIME).reason
    assert step(heard, CallChanged(LOGIN, 1, CallStatus.ANSWERED, LIFETIME), 20).row is None


def test_nothing_outlives_the_cap(row):
    redialled = step(over(row), First(blank(240, code=b"code2", state=b"s2")), 240).row
    assert CAP == redialled.code_until
    assert (Outcome.REJECT, Reason.EXPIRED) == told(step(redialled, answered(b"s2", b"code2"), CAP))


def over(row, at=40):
    return step(row, CallChanged(row.id, row.call.number, CallStatus.NO_ANSWER, LIFETIME), at).row


def test_a_second_first_packet_joins_and_rings_nothing(row):
    joined = step(row, First(blank(5, code=b"code2", state=b"twin")), 5)
    assert (Outcome.CHALLENGE, Reason.JOINED) == told(joined)
    assert (False, Charge.NOTHING) == (joined.ring, joined.charge)
    assert (Outcome.ACCEPT, Reason.CODE_RIGHT) == told(step(joined.row, answered(b"twin", b"code1"), 6))


@pytest.mark.parametrize("other", [{"password": b"other"}, {"source": "198.51.100.1"}, {"source": ""}])
def test_anything_else_while_a_call_lives_is_refused(row, other):
    stepped = step(row, First(blank(5, **other)), 5)
    assert (Outcome.REJECT, Reason.BUSY, None) == (*told(stepped), stepped.row)


def test_anything_else_after_the_call_opens_a_new_row(row):
    stepped = step(over(row), First(blank(50, password=b"other", login="login2")), 50)
    assert (Outcome.CHALLENGE, Reason.CALLED, "login2") == (*told(stepped), stepped.row.id)


def test_logging_in_again_after_a_missed_call_rings_again_with_a_new_code(row):
    again = step(over(row), First(blank(50, code=b"code2", state=b"state2")), 50)
    assert (Outcome.CHALLENGE, Reason.REDIALLED) == told(again)
    assert (True, Charge.CALL, 2, 1, "login1") == (
        again.ring,
        again.charge,
        again.row.call.number,
        again.row.redials,
        again.row.id,
    )
    assert Reason.WRONG_CODE == step(again.row, answered(b"state2", b"code1"), 51).reason
    assert Outcome.ACCEPT == step(again.row, answered(b"state1", b"code2"), 51).outcome


def test_a_call_nobody_followed_is_over_after_ring_time_and_script(row):
    assert Reason.JOINED == step(row, First(blank(89, state=b"s2")), LIVE - 1).reason
    assert Reason.REDIALLED == step(row, First(blank(90, state=b"s2")), LIVE).reason


def test_redials_are_capped_and_none_starts_too_late_to_be_heard(row):
    none_left = over(row)._replace(redials=0)
    assert (Outcome.REJECT, Reason.NO_REDIALS) == told(step(none_left, First(blank(50)), 50))
    assert Reason.NO_REDIALS == step(over(row), First(blank()), CAP - LIVE + 1).reason


def test_a_new_row_remembers_recent_verdicts_of_the_one_before(row):
    accepted = over(step(row, answered(), 10).row)
    new = step(accepted, First(blank(20, code=b"code9", state=b"state9", login="login2")), 20).row
    assert (Outcome.ACCEPT, Reason.REPEATED) == told(step(new, answered(), 21))
    assert (Outcome.REJECT, Reason.USED_STATE) == told(step(new, answered(), 41))
    much_later = step(accepted, First(blank(60, state=b"state9")), 60).row
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == told(step(much_later, answered(), 61))


def test_phone_asks_for_a_new_call_and_the_living_one_is_hung_up_first(row):
    again = step(row, answered(typed=b"phone", phone=0), 20)
    assert (Outcome.CHALLENGE, Reason.REDIALLED) == told(again)
    assert (REF, True, Charge.CALL, PHONES[0], b"code2") == (
        again.hang_up,
        again.ring,
        again.charge,
        again.row.call.phone,
        again.row.code,
    )


def test_phone2_asks_for_the_other_phone(row):
    again = step(over(row), answered(typed=b"phone2", phone=1), 50)
    assert (True, None, PHONES[1]) == (again.ring, again.hang_up, again.row.call.phone)


@pytest.mark.parametrize(
    ("change", "event"),
    [
        ({}, {"phone": 2}),
        ({"redials": 0}, {"phone": 0}),
        ({}, {"phone": 0, "may_ring": False}),
    ],
)
def test_a_call_that_cannot_be_placed_again_leaves_the_challenge_and_its_code(row, change, event):
    again = step(row._replace(**change), answered(typed=b"phone", **event), 20)
    assert (Outcome.CHALLENGE, Reason.CANNOT_REDIAL, 3, False) == (*told(again), again.row.tries, again.ring)
    assert Outcome.ACCEPT == step(again.row, answered(b"state2"), 21).outcome


def test_a_call_that_nobody_knows_is_not_replaced_while_it_may_live():
    pending = step(None, First(blank()), 0).row
    assert Reason.CANNOT_REDIAL == step(pending, answered(phone=0), 20).reason
    assert Reason.REDIALLED == step(pending, answered(phone=0), LIVE).reason


def test_too_many_wrong_codes_end_the_row(row):
    locked = step(row, LockedOut(b"state1", b"answer"), 5)
    assert (Outcome.REJECT, Reason.LOCKED, REF) == (*told(locked), locked.hang_up)
    accepted = step(row, answered(), 5).row
    assert step(accepted, LockedOut(b"state1", b"answer"), 6).row is None


def test_a_call_taken_too_late_is_hung_up(row):
    late = CallRef("twilio", "CA9")
    accepted = step(row, answered(), 5).row
    assert late == step(accepted, CallPlaced(LOGIN, 1, PHONES[0], late), 6).hang_up
    assert late == step(row, CallPlaced(LOGIN, 2, PHONES[0], late), 6).hang_up


def test_what_becomes_of_one_logins_call_changes_no_other_login(row):
    late = CallRef("twilio", "CA9")
    placed_late = step(row, CallPlaced("before", 1, PHONES[0], late), 6)
    assert (None, late) == (placed_late.row, placed_late.hang_up)
    assert step(row, CallFailed("before", 1, Reason.DELIVERY_FAILED, bypass=True), 6).row is None
    assert step(row, CallChanged("before", 1, CallStatus.COMPLETED, LIFETIME), 6).row is None
    assert late == step(None, CallPlaced(LOGIN, 1, PHONES[0], late), 6).hang_up


def test_a_person_whose_login_ended_is_called_again_only_when_the_call_is_over():
    pending = step(None, First(blank(tries=1)), 0).row
    ended = step(pending, answered(typed=b"wrong"), 5).row
    assert (Outcome.REJECT, Reason.BUSY) == told(step(ended, First(blank(6, login="login2")), 6))
    hung_up = step(ended, CallChanged(LOGIN, 1, CallStatus.COMPLETED, LIFETIME), 7).row
    assert (Outcome.CHALLENGE, Reason.CALLED) == told(step(hung_up, First(blank(8, login="login2")), 8))
    assert (Outcome.CHALLENGE, Reason.CALLED) == told(step(ended, First(blank(LIVE, login="login2")), LIVE))


def test_a_call_that_nobody_placed_frees_the_person_of_a_login_that_ended():
    ended = step(step(None, First(blank(tries=1)), 0).row, answered(typed=b"wrong"), 5).row
    failed = step(ended, CallFailed(LOGIN, 1, Reason.DELIVERY_FAILED, bypass=True), 6)
    assert (Outcome.SILENCE, Charge.CALL_BACK, False) == (failed.outcome, failed.charge, failed.row.live_at(6))


def test_a_name_spelled_another_way_is_the_same_name(row):
    for name in ("ALICE", " alice ", "alice"):
        assert Outcome.ACCEPT == step(row, answered(name=name), 1).outcome


def test_a_call_that_nobody_placed_ends_the_row_and_is_not_paid_for():
    pending = step(None, First(blank()), 0).row
    failed = step(pending, CallFailed(LOGIN, 1, Reason.DELIVERY_FAILED, bypass=False), 1)
    assert (Outcome.REJECT, Reason.DELIVERY_FAILED, Charge.CALL_BACK) == (*told(failed), failed.charge)
    assert step(failed.row, CallFailed(LOGIN, 1, Reason.DELIVERY_FAILED, bypass=True), 2).row is None


def test_a_written_bypass_lets_in_when_nobody_placed_the_call():
    pending = step(None, First(blank()), 0).row
    bypassed = step(pending, CallFailed(LOGIN, 1, Reason.DELIVERY_FAILED, bypass=True), 1)
    assert (Outcome.ACCEPT, Reason.BYPASSED) == told(bypassed)
    assert (Outcome.REJECT, Reason.USED_STATE) == told(step(bypassed.row, answered(), 2))


@pytest.mark.parametrize("status", [CallStatus.RINGING, CallStatus.QUEUED])
def test_progress_that_changes_nothing_changes_nothing(row, status):
    assert step(row, CallChanged(LOGIN, 1, status, LIFETIME), 5).row is None
    assert step(over(row), CallChanged(LOGIN, 1, CallStatus.COMPLETED, LIFETIME), 50).row is None


def test_a_session_with_32_unused_states_is_joined_no_more_and_loses_none_of_them(row):
    for number in range(MAX_UNUSED - 1):
        row = step(row, First(blank(state=b"twin%d" % number)), 5).row
    refused = step(row, First(blank(state=b"one too many")), 5)
    assert (Outcome.REJECT, Reason.JOIN_LIMIT, None) == (*told(refused), refused.row)
    assert (Outcome.REJECT, Reason.JOIN_LIMIT) == told(step(over(row), First(blank(50, state=b"too many")), 50))
    for state in (b"state1", b"twin0", b"twin%d" % (MAX_UNUSED - 2)):
        assert Outcome.ACCEPT == step(row, answered(state), 6).outcome


def test_used_states_make_room_for_new_ones(row):
    for number in range(2 * MAX_UNUSED):
        row = step(row, answered(row.states[-1].state, b"pw", new_state=b"next%d" % number), 5).row
    assert 1 == sum(each.verdict is None for each in row.states)
    assert len(row.states) <= MAX_USED + 1
    assert Outcome.ACCEPT == step(row, answered(row.states[-1].state), 6).outcome


def test_no_secret_shows_in_a_row():
    assert "code1" not in repr(blank())
    assert "pw" not in repr(blank())


def test_a_row_of_a_clock_that_was_set_back_is_over_and_in_nobodys_way():
    ahead = blank(SET_BACK + 1)
    assert Reason.EXPIRED is step(ahead, answered(), 0.0).reason
    opened = step(ahead, First(blank(0.0)), 0.0)
    assert (Reason.CALLED, True) == (opened.reason, opened.ring)


def test_a_clock_that_was_set_back_a_little_ends_no_login():
    assert Reason.CODE_RIGHT is step(blank(SET_BACK), answered(), 0.0).reason
    assert Reason.JOINED is step(blank(SET_BACK), First(blank(0.0)), 0.0).reason
