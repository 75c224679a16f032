"""The exhaustive search finds no violation, and finds every injected defect."""

import os

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes import issued_states
from radius_voice.login.inputs import Charge, Transition
from radius_voice.login.model import IssuedState
from radius_voice.login.session import call_events, repeated_results, state_machine
from radius_voice.login.session.session_versions import next_version
from radius_voice.login.session.state_machine import only_provider_has_code
from tests.login.exhaustive_search import Violation, search

pytestmark = pytest.mark.no_cover  # measuring would take most of the time, and other tests reach the same lines
LONG = "RADIUS_VOICE_LONG" in os.environ


def test_no_order_of_events_breaks_an_invariant(record_property):
    checked = search(6 if LONG else 5)
    record_property("events", checked)
    assert checked > 200_000


def states_of_the_previous_session_stay_usable(session, session_row, now):
    """A former version of `_open`: challenge results of the replaced session stay among the States of the new one."""
    if session is not None:
        used = tuple(each for each in session.states if each.result)
        session_row = replace(session_row, states=(*used, *session_row.states), version=session.version + 1)
    return Transition(
        session_row, Outcome.CHALLENGE, Reason.CALL_PLACED, issues_state=True, places_call=True, charge=Charge.CALL
    )


def recorded_requests_join_any_session(session, event, now):
    if session is None:
        return Transition(None, Outcome.REJECT, Reason.REPLAY)
    return Transition(None, Outcome.CHALLENGE, Reason.JOINED, issues_state=True)


def unused_states_are_evicted(states, state, now):
    return (*states[-1:], IssuedState(state))


def a_lock_ends_any_open_session(session, event, now):
    if not session.open_at(now):
        return Transition(None, Outcome.REJECT, Reason.LOCKED)
    return state_machine._end(session, event.state, event.answer, Reason.LOCKED, now)


def a_redial_gives_attempts_back(session, phone, next_challenge, now, hang_up=None, redial=state_machine._redialled):
    transition = redial(session, phone, next_challenge, now, hang_up)
    return replace(transition, session=replace(transition.session, attempts_left=2))


def a_redial_keeps_the_live_call(session, phone, next_challenge, now, hang_up=None, redial=state_machine._redialled):
    return redial(session, phone, next_challenge, now)


def any_request_may_join(session, password, calling_station_id):
    return True


def an_accept_ends_no_session(session, event, now):
    return Transition(next_version(session), Outcome.ACCEPT, Reason.CODE_CORRECT)


def every_client_may_answer(known, client, name):
    return True


def a_code_of_ours_stays_right(session, event, now, placed=call_events._placed):
    return placed(session, replace(event, keeps_code=False), now)


def a_check_of_any_delivery_counts(session, event):
    if only_provider_has_code(session):
        return event.remote is not None and event.remote.correct
    return session.code == event.code


def a_check_counts_whatever_the_answer(session, event):
    return event.remote is not None or session.code == event.code


def a_redial_cancels_no_verification(session, event):
    return True


DEFECTS = [
    (state_machine, "_open", states_of_the_previous_session_stay_usable),
    (state_machine, "_recorded", recorded_requests_join_any_session),
    (issued_states, "issue", unused_states_are_evicted),
    (state_machine, "_stopped", a_lock_ends_any_open_session),
    (state_machine, "_redialled", a_redial_gives_attempts_back),
    (state_machine, "_redialled", a_redial_keeps_the_live_call),
    (state_machine, "_same", any_request_may_join),
    (state_machine, "_accept", an_accept_ends_no_session),
    (repeated_results, "belongs", every_client_may_answer),
    (call_events, "_placed", a_code_of_ours_stays_right),
    (state_machine, "_is_correct", a_check_of_any_delivery_counts),
    (state_machine, "_is_correct", a_check_counts_whatever_the_answer),
    (state_machine, "_is_canceled", a_redial_cancels_no_verification),
]


@pytest.mark.parametrize(("module", "function", "defect"), DEFECTS, ids=[defect.__name__ for *_, defect in DEFECTS])
def test_the_search_finds_an_injected_defect(module, function, defect, monkeypatch):
    monkeypatch.setattr(module, function, defect)
    with pytest.raises(Violation):
        search(5)
