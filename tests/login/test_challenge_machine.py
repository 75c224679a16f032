"""Every order of events, checked against what may never happen."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from radius_voice.events import Outcome, Reason
from radius_voice.login.challenge import (
    CallChanged,
    CallFailed,
    CallPlaced,
    First,
    LockedOut,
    RecordedRequest,
    UserChanged,
    step,
)
from radius_voice.login.issued import REPEATED_FOR
from radius_voice.login.model import CallRef, CallStatus
from tests.login.rows import CAP, LIFETIME, answered, blank


class OneRow(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.row = None
        self.names = 0
        self.codes = {}  # login id -> codes made for it, newest last
        self.states = []  # (state, login id)
        self.requests = []  # (state, login id, password, source)
        self.accepts = {}  # login id -> decisions
        self.accepted_with = {}  # state -> (answer, at)
        self.rung = {}  # login id -> {number: over?}
        self.bypassed = set()

    def fresh(self, kind):
        self.names += 1
        return f"{kind}{self.names}".encode()

    def apply(self, event):
        before = self.row
        stepped = step(self.row, event, self.now)
        if stepped.row is not None:
            self.row = stepped.row
        row = self.row
        if stepped.ring and stepped.hang_up is not None:
            self.rung.setdefault(before.id, {})[before.call.number] = True
        if stepped.ring:
            calls = self.rung.setdefault(row.id, {})
            others = [over for logins in self.rung.values() for over in logins.values()]
            assert all(others), "a call was placed while another of the person may live"
            assert row.call.number not in calls, "a call was placed twice"
            calls[row.call.number] = False
        return stepped

    @invariant()
    def a_call_past_its_time_is_over(self):
        if self.row is not None and not self.row.live_at(self.now):
            for number in self.rung.get(self.row.id, {}):
                self.rung[self.row.id][number] = True

    @rule(seconds=st.sampled_from([0.5, 5.0, 29.0, 31.0, 60.0, 100.0, 400.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(password=st.sampled_from([b"pw", b"other"]), source=st.sampled_from(["a", "b", ""]))
    def first_packet(self, password, source):
        code, state = self.fresh("code"), self.fresh("state")
        event = First(
            blank(
                self.now, code=code, state=state, password=password, source=source, login=self.fresh("login").decode()
            )
        )
        stepped = self.apply(event)
        assert stepped.outcome in {Outcome.CHALLENGE, Outcome.REJECT}
        if stepped.ring:
            self.codes.setdefault(self.row.id, []).append(code)
        if stepped.hands_out:
            assert (password, source) == (self.row.password, self.row.source), "a State went to another person"
            self.states.append((state, self.row.id))
            self.requests.append((state, self.row.id, password, source))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def recorded_request(self, data):
        state, login, password, source = data.draw(st.sampled_from(self.requests))
        stepped = self.apply(RecordedRequest(login, state, password, source))
        assert (None, False) == (stepped.row, stepped.ring), "a recorded request had a second effect"
        assert not stepped.hands_out or login == self.row.id

    @precondition(lambda self: self.states)
    @rule(data=st.data(), phone=st.sampled_from([None, None, None, 0, 1, 2]), may_ring=st.booleans())
    def answer(self, data, phone, may_ring):
        state, login = data.draw(st.sampled_from(self.states[-6:]))
        made = self.codes.get(login, [b"none"])
        typed = data.draw(st.sampled_from([*made[-3:], made[-1], b"wrong", b"pw"])) if phone is None else b"phone"
        code, new_state = self.fresh("code"), self.fresh("state")
        before = self.row
        stepped = self.apply(answered(state, typed, new_state=new_state, new_code=code, phone=phone, may_ring=may_ring))
        if stepped.ring:
            self.codes.setdefault(self.row.id, []).append(code)
        if login != before.id:
            assert (None, False, False) == (stepped.row, stepped.hands_out, stepped.ring), "an effect in another login"
        if stepped.hands_out and stepped.reason is not Reason.REPEATED:
            self.states.append((new_state, self.row.id))
        if stepped.outcome is not Outcome.ACCEPT:
            return
        if stepped.reason is Reason.REPEATED:
            first_answer, at = self.accepted_with[state]
            assert first_answer == typed
            assert self.now - at <= REPEATED_FOR
            return
        assert login == before.id
        assert typed == self.codes[login][-1], "accepted something else than the newest code"
        assert self.now < before.ends_at
        self.accepts[login] = self.accepts.get(login, 0) + 1
        self.accepted_with[state] = (typed, self.now)

    @precondition(lambda self: self.row is not None)
    @rule(number=st.integers(1, 4), mine=st.booleans())
    def provider_takes_the_call(self, number, mine):
        login = self.row.id if mine else "another"
        ref = CallRef("p", f"{self.row.id}-{number}")
        stepped = self.apply(CallPlaced(login, number, self.row.call.phone, ref))
        if not mine or number != self.row.call.number or not self.row.open_at(self.now):
            assert ref == stepped.hang_up

    @precondition(lambda self: self.row is not None)
    @rule(number=st.integers(1, 4), bypass=st.booleans(), mine=st.booleans())
    def nobody_places_the_call(self, number, bypass, mine):
        login = self.row.id if mine else "another"
        stepped = self.apply(CallFailed(login, number, Reason.DELIVERY_FAILED, bypass))
        if stepped.outcome is Outcome.ACCEPT:
            assert bypass
            assert mine
            self.accepts[self.row.id] = self.accepts.get(self.row.id, 0) + 1

    @precondition(lambda self: self.row is not None)
    @rule(number=st.integers(1, 4), status=st.sampled_from(CallStatus), mine=st.booleans())
    def progress(self, number, status, mine):
        login = self.row.id if mine else "another"
        current = mine and number == self.row.call.number
        stepped = self.apply(CallChanged(login, number, status, LIFETIME))
        if status.over and current and stepped.row is not None:
            self.rung.setdefault(self.row.id, {})[number] = True

    @precondition(lambda self: self.states)
    @rule(data=st.data(), changed=st.booleans())
    def stopped(self, data, changed):
        state, login = data.draw(st.sampled_from(self.states[-6:]))
        before = self.row
        event = UserChanged(state, b"answer", Reason.DISABLED) if changed else LockedOut(state, b"answer")
        stepped = self.apply(event)
        assert stepped.outcome is Outcome.REJECT
        assert stepped.row is None or login == before.id, "another login was stopped"
        assert before.verdict is None or before.verdict == self.row.verdict, "a verdict was reconsidered"

    @invariant()
    def at_most_one_accept_a_row(self):
        assert all(count == 1 for count in self.accepts.values())

    @invariant()
    def a_row_ends(self):
        if self.row is not None:
            assert self.row.ends_at <= self.row.opened_at + CAP
            assert self.row.code_until <= self.row.ends_at
            assert not self.row.open_at(self.row.ends_at)
            assert 0 <= self.row.tries <= 3
            assert 0 <= self.row.redials <= 2


OneRow.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestOneRow = OneRow.TestCase
