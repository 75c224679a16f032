"""The table in the docstring of `state_machine.step` has every transition that is possible, and no other."""

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.inputs import (
    ApprovalEnded,
    ApprovalKey,
    CallProgress,
    CallQueued,
    CodeCreated,
    DeliveryFailed,
    DeliveryPlaced,
    InitialRequest,
    Lockout,
    RecordedRequest,
    UserChanged,
)
from radius_voice.login.model import CallStatus, Method
from radius_voice.login.session import state_machine
from radius_voice.login.session.state_machine import step
from radius_voice.login.voicemail import Voicemail
from tests.login import exhaustive_search
from tests.login.sessions import (
    LIFETIME,
    LOGIN,
    MAX_CALL,
    PHONES,
    REF,
    SESSION_TIMEOUT,
    challenge_response,
    issued_session_row,
    session_row,
)

pytestmark = pytest.mark.no_cover  # measuring would take most of the time, and other tests reach the same lines
EVENTS = [
    InitialRequest(session_row()),
    RecordedRequest(LOGIN, b"state1", b"pw", ""),
    challenge_response(),
    Lockout(b"state1", b"x"),
    UserChanged(b"state1", b"x", Reason.DISABLED),
    CallQueued(LOGIN, 1, MAX_CALL),
    DeliveryPlaced(LOGIN, 1, PHONES[0], REF),
    DeliveryPlaced(LOGIN, 1, PHONES[0], None, method=Method.SMS, over=True, code_lifetime=LIFETIME),
    DeliveryFailed(LOGIN, 1, Reason.DELIVERY_FAILED, bypass=True, refund=True),
    CallProgress(LOGIN, 1, CallStatus.ANSWERED, LIFETIME),
    CodeCreated(LOGIN, 1, b"code2", LIFETIME),
    ApprovalKey(LOGIN, 1, "#", REF),
    ApprovalEnded(LOGIN, 1),
]


def table():
    """The transitions of the table: state, event, outcome, next state."""
    assert step.__doc__ is not None
    rows = step.__doc__.split("    ======= ")[2]
    for row in rows.splitlines()[1:]:
        state, event, transitions = row.split(maxsplit=2)
        for transition in transitions.split("; "):
            outcomes, following = transition.split(" -> ")
            for outcome in outcomes.split(", "):
                yield state, event, Outcome(outcome), following


def state_of(session, now):
    """The state at wall-clock time `now`, as the table names it."""
    if session is None:
        return "none"
    if session.open_at(now):
        return "calling" if session.live_at(now) else "waiting"
    return "ending" if session.live_at(now) else "ended"


@pytest.fixture
def observed(monkeypatch):
    """The transitions that `step` has made so far."""
    transitions = set()

    def observed_step(session, event, now):
        transition = step(session, event, now)
        after = session if transition.session is None else transition.session
        names = state_of(session, now), type(event).__name__
        transitions.add((*names, transition.outcome, state_of(after, now)))
        return transition

    monkeypatch.setattr(state_machine, "step", observed_step)
    return transitions


def test_the_table_has_every_transition_and_no_other(observed):
    exhaustive_search.search(5)
    for event in EVENTS:  # without a session, and with an active bypass, which the search leaves out
        state_machine.step(None, event, 0.0)
        for now in (0.0, MAX_CALL):
            state_machine.step(session_row(), event, now)
    for session in (None, session_row(), issued_session_row()):  # the search leaves out codes from the help desk
        for now in (0.0, MAX_CALL, SESSION_TIMEOUT):
            state_machine.step(session, InitialRequest(issued_session_row(now)), now)
    repeat_the_accept_of_a_replaced_session_while_the_new_one_waits()
    place_a_text_message_of_an_ended_session()
    create_codes_of_calls_that_were_placed_without_one()
    assert set(table()) == observed


def repeat_the_accept_of_a_replaced_session_while_the_new_one_waits():
    """The search finds it with 6 events only, which takes a minute."""
    accepted = state_machine.step(session_row(), challenge_response(), 0.0).session
    over = state_machine.step(accepted, CallProgress(LOGIN, 1, CallStatus.COMPLETED, LIFETIME), 1.0).session
    opened = state_machine.step(over, InitialRequest(session_row(1.0, login="login2", state=b"s")), 1.0).session
    waiting = state_machine.step(opened, CallProgress("login2", 1, CallStatus.BUSY, LIFETIME), 2.0).session
    assert Outcome.ACCEPT is state_machine.step(waiting, challenge_response(), 3.0).outcome


def place_a_text_message_of_an_ended_session():
    accepted = state_machine.step(session_row(), challenge_response(), 0.0).session
    text = DeliveryPlaced(LOGIN, 1, PHONES[0], None, method=Method.SMS, over=True, code_lifetime=LIFETIME)
    assert Outcome.NO_RESPONSE is state_machine.step(accepted, text, 1.0).outcome


def create_codes_of_calls_that_were_placed_without_one():
    """Whether the call may be live, is over, or the login has ended."""
    row = session_row()
    waiting = replace(row, code=b"", delivery=replace(row.delivery, voicemail=Voicemail.PRESS))
    accepted = state_machine.step(row, challenge_response(), 0.0).session
    over = state_machine.step(accepted, CallProgress(LOGIN, 1, CallStatus.COMPLETED, LIFETIME), 1.0).session
    created = [
        state_machine.step(session, CodeCreated(LOGIN, 1, b"code2", LIFETIME), now).session is not None
        for session, now in ((waiting, 0.0), (waiting, MAX_CALL), (accepted, 1.0), (over, 1.0), (row, 1.0))
    ]
    assert [True, True, False, False, False] == created
