"""The exhaustive search finds no violation, and finds every defect that is planted."""

import os

import pytest

from radius_voice.events import Outcome, Reason
from radius_voice.login import challenge, issued
from radius_voice.login.challenge import Charge, Step
from radius_voice.login.model import HandedOut
from tests.login.search import Violation, search

LONG = "RADIUS_VOICE_LONG" in os.environ


def test_no_order_of_events_breaks_an_invariant(record_property):
    worlds = search(6 if LONG else 5)
    record_property("worlds", worlds)
    assert worlds > 20_000


def states_of_the_login_before_stay_usable(row, blank, now):
    """As `_open` once was: challenge results of the replaced login stay among the States of the new one."""
    if row is not None:
        used = tuple(each for each in row.states if each.verdict)
        blank = blank._replace(states=(*used, *blank.states), version=row.version + 1)
    return Step(blank, Outcome.CHALLENGE, Reason.CALLED, hands_out=True, ring=True, charge=Charge.CALL)


def recorded_requests_join_any_login(row, event, now):
    if row is None:
        return Step(None, Outcome.REJECT, Reason.REPLAY)
    return Step(None, Outcome.CHALLENGE, Reason.JOINED, hands_out=True)


def unused_states_are_evicted(states, state, now):
    return (*states[-1:], HandedOut(state))


def a_lock_ends_whatever_login_there_is(row, event, now):
    if not row.open_at(now):
        return Step(None, Outcome.REJECT, Reason.LOCKED)
    return challenge._end(row, event.state, event.answer, Reason.LOCKED, now)


def a_redial_gives_attempts_back(row, phone, fresh, now, hang_up=None, redialled=challenge._redialled):
    stepped = redialled(row, phone, fresh, now, hang_up)
    return stepped._replace(row=stepped.row._replace(tries=2))


def a_redial_keeps_the_call_that_lives(row, phone, fresh, now, hang_up=None, redialled=challenge._redialled):
    return redialled(row, phone, fresh, now)


def anybody_may_join(row, password, source):
    return True


def an_accept_ends_nothing(row, event, now):
    return Step(challenge._next(row), Outcome.ACCEPT, Reason.CODE_RIGHT)


def every_client_may_answer(known, client, name):
    return True


DEFECTS = [
    (challenge, "_open", states_of_the_login_before_stay_usable),
    (challenge, "_recorded", recorded_requests_join_any_login),
    (issued, "issue", unused_states_are_evicted),
    (challenge, "_stopped", a_lock_ends_whatever_login_there_is),
    (challenge, "_redialled", a_redial_gives_attempts_back),
    (challenge, "_redialled", a_redial_keeps_the_call_that_lives),
    (challenge, "_same", anybody_may_join),
    (challenge, "_accept", an_accept_ends_nothing),
    (challenge, "_belongs", every_client_may_answer),
]


@pytest.mark.parametrize(("module", "function", "defect"), DEFECTS, ids=[defect.__name__ for *_, defect in DEFECTS])
def test_the_search_finds_a_planted_defect(module, function, defect, monkeypatch):
    monkeypatch.setattr(module, function, defect)
    with pytest.raises(Violation):
        search(5)
