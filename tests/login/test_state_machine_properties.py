"""Random orders of events, checked against the invariants."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
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
    RemoteCheck,
    UserChanged,
)
from radius_voice.login.model import CallRef, CallStatus
from radius_voice.login.session.approval_events import for_approval
from radius_voice.login.session.state_machine import step
from radius_voice.login.voicemail import Voicemail
from tests.login.sessions import LIFETIME, SESSION_TIMEOUT, challenge_response, issued_session_row, session_row

pytestmark = pytest.mark.no_cover  # measuring would take most of the time, and other tests reach the same lines


class OneRow(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.session: Any = None
        self.names = 0
        self.codes = {}  # login id -> codes made for it, newest last
        self.states = []  # (state, login id)
        self.requests = []  # (state, login id, password, source)
        self.accepts = {}  # login id -> decisions
        self.accepted_with = {}  # state -> (response, at)
        self.placed_calls = {}  # login id -> {number: over?}
        self.kept = set()  # (login id, number) of deliveries whose provider keeps the code

    def next_challenge(self, kind):
        self.names += 1
        return f"{kind}{self.names}".encode()

    def new_code(self, voicemail):
        """The code of a call; none if the call is placed without one."""
        return self.next_challenge("code") if voicemail is Voicemail.OFF else b""

    def apply(self, event):
        before = self.session
        transition = step(self.session, event, self.now)
        if transition.session is not None:
            self.session = transition.session
        session = self.session
        if transition.places_call and transition.hang_up is not None:
            self.placed_calls.setdefault(before.id, {})[before.delivery.number] = True
        if transition.places_call:
            calls = self.placed_calls.setdefault(session.id, {})
            others = [over for logins in self.placed_calls.values() for over in logins.values()]
            assert all(others), "a call was placed while another of the user may be live"
            assert session.delivery.number not in calls, "a call was placed twice"
            calls[session.delivery.number] = False
        return transition

    @invariant()
    def a_call_past_its_time_is_over(self):
        if self.session is not None and not self.session.live_at(self.now):
            for number in self.placed_calls.get(self.session.id, {}):
                self.placed_calls[self.session.id][number] = True

    @rule(seconds=st.sampled_from([0.5, 5.0, 29.0, 31.0, 60.0, 100.0, 400.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(
        password=st.sampled_from([b"pw", b"other"]),
        calling_station_id=st.sampled_from(["a", "b", ""]),
        issued=st.sampled_from([None, None, b"issued1", b"issued2"]),
        voicemail=st.sampled_from(Voicemail),
    )
    def first_packet(self, password, calling_station_id, issued, voicemail):
        code, state = issued or self.new_code(voicemail), self.next_challenge("state")
        new = (issued_session_row if issued else session_row)(
            self.now,
            code=code,
            state=state,
            password=password,
            calling_station_id=calling_station_id,
            login=self.next_challenge("login").decode(),
        )
        event = InitialRequest(new if issued else replace(new, delivery=replace(new.delivery, voicemail=voicemail)))
        transition = self.apply(event)
        assert transition.outcome in {Outcome.CHALLENGE, Outcome.REJECT}
        if issued:
            assert not transition.places_call, "a login by an issued code placed a call"
        if transition.places_call or transition.reason is Reason.ISSUED_CODE:
            self.codes.setdefault(self.session.id, []).append(code)
        if transition.issues_state:
            assert not issued or self.session.code == code, "a request joined the login of another code"
            assert (password, calling_station_id) == (self.session.password, self.session.calling_station_id), (
                "a State was issued to another user"
            )
            self.states.append((state, self.session.id))
            self.requests.append((state, self.session.id, password, calling_station_id))

    @rule(password=st.sampled_from([b"pw", b"other"]), calling_station_id=st.sampled_from(["a", "b", ""]))
    def request_for_approval(self, password, calling_station_id):
        row = session_row(
            self.now,
            password=password,
            calling_station_id=calling_station_id,
            login=self.next_challenge("login").decode(),
        )
        transition = self.apply(InitialRequest(for_approval(row, 45.0)))
        assert transition.outcome in {Outcome.NO_RESPONSE, Outcome.REJECT}
        assert not transition.issues_state
        assert transition.places_call == (self.session.id == row.id)

    @precondition(lambda self: self.session is not None)
    @rule(key=st.sampled_from("##9*1"), number=st.integers(1, 3), mine=st.booleans(), own_call=st.booleans())
    def key_is_pressed(self, key, number, mine, own_call):
        before, login = self.session, self.session.id if mine else "another"
        ref = CallRef("p", f"{self.session.id}-{number}" if own_call else "other")
        transition = self.apply(ApprovalKey(login, number, key, ref))
        if transition.session is None:
            return
        assert mine
        assert before.approval
        assert number == before.delivery.number
        assert before.delivery.ref in (None, ref)
        assert before.open_at(self.now)
        assert {"#": Outcome.ACCEPT, "9": Outcome.REJECT}[key] is transition.outcome
        if transition.outcome is Outcome.ACCEPT:
            assert self.now < before.code_until
            self.accepts[login] = self.accepts.get(login, 0) + 1

    @precondition(lambda self: self.session is not None)
    @rule(number=st.integers(1, 3), mine=st.booleans(), reason=st.sampled_from([None, Reason.INTERRUPTED]))
    def approval_ends(self, number, mine, reason):
        before = self.session
        transition = self.apply(ApprovalEnded(self.session.id if mine else "another", number, reason))
        assert transition.outcome is not Outcome.ACCEPT
        assert transition.session is None or (before.approval and before.result is None)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def recorded_request(self, data):
        state, login, password, calling_station_id = data.draw(st.sampled_from(self.requests))
        transition = self.apply(RecordedRequest(login, state, password, calling_station_id))
        assert (None, False) == (transition.session, transition.places_call), "a recorded request had a second effect"
        assert not transition.issues_state or login == self.session.id

    @precondition(lambda self: self.states)
    @rule(
        data=st.data(),
        phone=st.sampled_from([None, None, None, 0, 1, 2]),
        redial_allowed=st.booleans(),
        voicemail=st.sampled_from(Voicemail),
        remote=st.none() | st.builds(RemoteCheck, st.integers(1, 3), st.booleans()),
        canceled=st.integers(0, 3),
    )
    def answer(self, data, phone, redial_allowed, voicemail, remote, canceled):
        state, login = data.draw(st.sampled_from(self.states[-6:]))
        made = self.codes.get(login, [b"none"])
        typed = data.draw(st.sampled_from([*made[-3:], made[-1], b"wrong", b"pw"])) if phone is None else b"phone"
        code, new_state = self.new_code(voicemail), self.next_challenge("state")
        before = self.session
        response = challenge_response(
            state,
            typed,
            new_state=new_state,
            new_code=code,
            phone=phone,
            redial_allowed=redial_allowed,
            remote=remote,
            canceled=canceled,
        )
        transition = self.apply(replace(response, next_challenge=replace(response.next_challenge, voicemail=voicemail)))
        present = (before.id, before.delivery.number)
        if transition.places_call:
            assert present not in self.kept or canceled == before.delivery.number, "the old verification may be pending"
            self.codes.setdefault(self.session.id, []).append(code)
        if login != before.id:
            assert (None, False, False) == (transition.session, transition.issues_state, transition.places_call), (
                "an effect in another login"
            )
        if transition.issues_state and transition.reason is not Reason.REPEATED:
            self.states.append((new_state, self.session.id))
        if transition.outcome is not Outcome.ACCEPT:
            return
        if transition.reason is Reason.REPEATED:
            first_answer, at = self.accepted_with[state]
            assert first_answer == typed
            assert self.now - at <= REPEAT_SECONDS
            return
        assert login == before.id
        if present in self.kept:
            assert remote == RemoteCheck(before.delivery.number, correct=True), "accepted without the provider's answer"
        else:
            assert typed, "accepted before there was a code"
            assert typed == self.codes[login][-1], "accepted something else than the newest code"
        assert self.now < before.ends_at
        self.accepts[login] = self.accepts.get(login, 0) + 1
        self.accepted_with[state] = (typed, self.now)

    @precondition(lambda self: self.session is not None)
    @rule(number=st.integers(1, 4), mine=st.booleans())
    def provider_takes_the_call(self, number, mine):
        login = self.session.id if mine else "another"
        ref = CallRef("p", f"{self.session.id}-{number}")
        transition = self.apply(DeliveryPlaced(login, number, self.session.delivery.phone, ref))
        if not mine or number != self.session.delivery.number or not self.session.open_at(self.now):
            assert ref == transition.hang_up

    @precondition(lambda self: self.session is not None)
    @rule(number=st.integers(1, 4), wait=st.floats(0.1, 60), mine=st.booleans())
    def the_call_waits(self, number, wait, mine):
        before = self.session
        current = mine and number == before.delivery.number and before.open_at(self.now)
        transition = self.apply(CallQueued(before.id if mine else "another", number, wait))
        assert current or transition.session is None
        assert self.session.ends_at == before.ends_at

    @precondition(lambda self: self.session is not None)
    @rule(number=st.integers(1, 4), mine=st.booleans(), keeps_code=st.booleans(), over=st.booleans())
    def a_verification_is_started(self, number, mine, keeps_code, over):
        login, before = self.session.id if mine else "another", self.session
        verification = CallRef("v", f"{login}-{number}")
        transition = self.apply(
            DeliveryPlaced(
                login,
                number,
                before.delivery.phone,
                None,
                over=over,
                code_lifetime=LIFETIME,
                verification=verification,
                keeps_code=keeps_code,
            )
        )
        if transition.outcome is Outcome.CHALLENGE:
            assert verification == self.session.delivery.verification
            if keeps_code:
                self.kept.add((login, number))
                assert not self.session.code, "a code that was not delivered is right"
        if transition.session is not None and self.session.delivery.over:
            self.placed_calls.setdefault(self.session.id, {})[self.session.delivery.number] = True

    @precondition(lambda self: self.session is not None)
    @rule(number=st.integers(1, 4), bypass=st.booleans(), mine=st.booleans())
    def the_call_is_not_placed(self, number, bypass, mine):
        login = self.session.id if mine else "another"
        transition = self.apply(DeliveryFailed(login, number, Reason.DELIVERY_FAILED, bypass, refund=True))
        if transition.outcome is Outcome.ACCEPT:
            assert bypass
            assert mine
            self.accepts[self.session.id] = self.accepts.get(self.session.id, 0) + 1

    @precondition(lambda self: self.session is not None)
    @rule(number=st.integers(1, 4), status=st.sampled_from(CallStatus), mine=st.booleans())
    def progress(self, number, status, mine):
        login = self.session.id if mine else "another"
        current = mine and number == self.session.delivery.number
        transition = self.apply(CallProgress(login, number, status, LIFETIME))
        if status.over and current and transition.session is not None:
            self.placed_calls.setdefault(self.session.id, {})[number] = True

    @precondition(lambda self: self.session is not None)
    @rule(number=st.integers(1, 4), mine=st.booleans())
    def code_created(self, number, mine):
        before, code = self.session, self.next_challenge("code")
        transition = self.apply(CodeCreated(before.id if mine else "another", number, code, LIFETIME))
        assert transition.outcome is Outcome.NO_RESPONSE
        if transition.session is None:
            return
        assert mine
        assert number == before.delivery.number, "a code was created for another call than the present one"
        assert not before.code, "a second code was created for a call"
        assert not before.delivery.over
        assert before.open_at(self.now)
        self.codes[before.id].append(code)

    @precondition(lambda self: self.states)
    @rule(data=st.data(), changed=st.booleans())
    def stopped(self, data, changed):
        state, login = data.draw(st.sampled_from(self.states[-6:]))
        before = self.session
        event = UserChanged(state, b"answer", Reason.DISABLED) if changed else Lockout(state, b"answer")
        transition = self.apply(event)
        assert transition.outcome is Outcome.REJECT
        assert transition.session is None or login == before.id, "another login was stopped"
        assert before.result is None or before.result == self.session.result, "a result was changed"

    @invariant()
    def at_most_one_accept_a_row(self):
        assert all(count == 1 for count in self.accepts.values())

    @invariant()
    def a_row_ends(self):
        if self.session is not None:
            assert self.session.ends_at <= self.session.opened_at + SESSION_TIMEOUT
            assert self.session.code_until <= self.session.ends_at
            assert not self.session.open_at(self.session.ends_at)
            assert 0 <= self.session.attempts_left <= 3
            assert 0 <= self.session.redials_left <= 2


OneRow.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestOneRow = OneRow.TestCase
