"""The login, from top to bottom.

`begin` processes an initial request, `respond` a request with State, and `on_call_event` the status of a call. Each
loads the session, runs `state_machine.step`, and stores the new session by compare-and-swap (see `sessions`).

The session with its code is stored before the call is placed. So a crash in between leaves a session that expires, and
never a ringing phone whose code cannot be verified.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec.structs import replace

from radius_voice.events import Outcome, Reason, SecondFactorMode
from radius_voice.login.calls.approvals import Approvals
from radius_voice.login.calls.calls import Calls, PendingDelivery
from radius_voice.login.calls.received_callbacks import ReceivedCallbacks
from radius_voice.login.calls.remote_codes import RemoteCodes
from radius_voice.login.codes.issued_codes import IssuedCodes
from radius_voice.login.codes.keys import UPSTREAM_STATE, session_key_in
from radius_voice.login.codes.pins import phones_removed
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.first_factor.checked import Checked, Refused
from radius_voice.login.first_factor.checks import FirstFactorChecks
from radius_voice.login.first_factor.reuse_warnings import ReuseWarnings
from radius_voice.login.first_factor.upstream_challenges import PendingChallenge
from radius_voice.login.inputs import (
    InitialRequest,
    RecordedRequest,
    Transition,
)
from radius_voice.login.limits.configured import rule_of
from radius_voice.login.model import (
    AlreadyRecorded,
    AuthRequest,
    Denied,
    Limited,
    LimitOperation,
    Unavailable,
    User,
)
from radius_voice.login.policies.policy import Policy
from radius_voice.login.replay import Slot, is_pending, session_of
from radius_voice.login.second_factor.accepted import AcceptsWithoutCall
from radius_voice.login.second_factor.remembered import RememberedLogins
from radius_voice.login.second_factor.rules import AcceptWithout, RejectFor, decide, decide_without_user, rule_name
from radius_voice.login.second_factor.success_watch import SuccessWatch
from radius_voice.login.second_factor.users import missing_user, name_of, user_of
from radius_voice.login.second_passes import SecondPasses
from radius_voice.login.session import decisions
from radius_voice.login.session.decisions import Decision
from radius_voice.login.session.decoys import (
    NEW_DECOYS,
    decoy_session,
)
from radius_voice.login.session.new_session import new_session
from radius_voice.login.session.pinned_phones import PinnedPhones, RefusedPhones, pinned_phones, report_changed_phones
from radius_voice.login.session.session_decisions import session_decision
from radius_voice.login.session.sessions import RequestRecorded, Sessions
from radius_voice.login.session_responses import SessionResponses
from radius_voice.login.supervisor import Supervisor
from radius_voice.login.texts import reply_message
from radius_voice.login.upstream import ChallengeRequired
from radius_voice.trace import Trace

Report = Callable[[], None]
"""Raises the alarm about changed phones of the user, if there are any."""


def _nothing() -> None:
    """The `Report` of a request without changed phones."""


class LoginFlow:
    """Processes logins with one generation of the configuration."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._supervisor = Supervisor(dependencies.warn)
        success = dependencies.limits.success
        watch = None if success is None else SuccessWatch(dependencies, self._supervisor, success).on_end
        self._sessions = Sessions(
            dependencies.store, dependencies.limits, dependencies.now, dependencies.observer, watch
        )
        self._first_factor = FirstFactorChecks(dependencies, self._supervisor.run)
        self._issued_codes = IssuedCodes(dependencies.keys, dependencies.store, dependencies.now)
        self._without_call = AcceptsWithoutCall(dependencies, self._first_factor)
        self._remembered = RememberedLogins(dependencies)
        remote_codes = RemoteCodes(dependencies, self._supervisor, self._sessions)
        self._calls = Calls(dependencies, self._supervisor, self._sessions, remote_codes)
        self._responses = SessionResponses(
            dependencies,
            self._sessions,
            self._calls,
            self._first_factor,
            self._remembered,
            self._issued_codes,
            remote_codes,
        )
        self._warn_of_reuse = ReuseWarnings(dependencies.warn, dependencies.clock).report
        self._second_passes = SecondPasses(dependencies, self._responses, self._warn_of_reuse)
        self.follower = self._calls.follower
        self.on_call_event = self._calls.on_call_event
        self._approvals = Approvals(dependencies, self._sessions, self._calls, self._first_factor, self._remembered)
        self.interrupt = self._approvals.interrupt
        self._callbacks = ReceivedCallbacks(dependencies, self._sessions, self._approvals)
        self.on_callback = self._callbacks.receive
        self.drain: Callable[[], Awaitable[None]] = self._supervisor.drain
        self.place_waiting_calls = self._calls.place_waiting

    async def begin(self, request: AuthRequest, trace: Trace) -> Decision:
        """An initial request: verify the password, find the user, open a session and place the call."""
        decision = await self._second_passes.decide(request, self._dependencies.policies[request.policy], trace)
        if decision is None:
            decision = await self._with_first_factor(request, self._first_factor.check, trace)
        return self._completed(request, self._at_its_time(decision, request))

    async def respond(self, request: AuthRequest, trace: Trace) -> Decision:
        """A response to a challenge: a code, a request for another call, or any other text.

        A response to a challenge of the first factor is passed on to the first factor.
        """
        return self._completed(request, await self._respond(request, trace))

    def _completed(self, request: AuthRequest, decision: Decision) -> Decision:
        """The decision with the policy's mode; a reject without a text gets the usual one."""
        dependencies, text = self._dependencies, decision.text
        mode = dependencies.policies[request.policy].mode_at(dependencies.now())
        if decision.outcome is Outcome.REJECT and not text:
            text = reply_message.rejected(dependencies.messages.default)
        return replace(decision, mode=mode, text=text)

    async def _hold(self, call: PendingDelivery, opened: Transition, trace: Trace) -> Decision:
        return self._completed(call.request, await self._approvals.hold(call, opened, trace))

    async def _respond(self, request: AuthRequest, trace: Trace) -> Decision:
        state = request.state or b""
        if state.startswith(UPSTREAM_STATE):
            return await self._with_first_factor(request, self._first_factor.check_answer, trace)
        policy = self._dependencies.policies[request.policy]
        key = session_key_in(state)
        if key is None:
            return decisions.rejected(Reason.UNKNOWN_STATE)
        try:
            decision = await self._responses.decide(request, key, policy, trace)
        except Unavailable as problem:
            return decisions.unavailable(policy.on_unavailable, problem, trace)
        return self._at_its_time(decision, request)

    def _at_its_time(self, decision: Decision, request: AuthRequest) -> Decision:
        """With decoys, every challenge is sent at the deadline, so that its time does not reveal a decoy."""
        if decision.outcome is Outcome.CHALLENGE and self._dependencies.policies[request.policy].decoys:
            return replace(decision, not_before=request.deadline)
        return decision

    # The first factor

    async def _with_first_factor(
        self,
        request: AuthRequest,
        check: Callable[[AuthRequest, Policy], Awaitable[Checked]],
        trace: Trace,
    ) -> Decision:
        policy = self._dependencies.policies[request.policy]
        if request.unlisted_realm:
            trace.step("realm", "unlisted")
        try:
            checked = await check(request, policy)
            checked.note(trace)
            if checked.reused:
                self._warn_of_reuse(request.client)
            try:
                return await self._after_first_factor(request, policy, checked, trace)
            finally:
                await self._first_factor.refund(checked)
        except Unavailable as problem:
            return decisions.unavailable(policy.on_unavailable, problem, trace)

    async def _after_first_factor(
        self, request: AuthRequest, policy: Policy, checked: Checked, trace: Trace
    ) -> Decision:
        match checked.result:
            case Limited(limit):
                return decisions.rejected(limit.reason, await name_of(request, policy), rule=rule_of(limit))
            case Denied(reason, name, text=text):
                await self._remembered.after_denial(request, policy, reason)
                if not name and policy.first_factor_name != policy.directory_name:
                    name = await name_of(request, policy)
                return decisions.rejected(reason, name, text)
            case Refused(reason):
                return decisions.rejected(reason)
            case ChallengeRequired() | PendingChallenge() as challenge:
                return await self._relay(request, policy, checked, challenge)
            case AlreadyRecorded(value):
                return await self._join_recorded(request, checked.slot, value, trace)
            case _:
                pass
        user = await user_of(request, policy, checked)
        if user is None:
            decided = decide_without_user(policy, request, self._dependencies.now())
            if isinstance(decided, RejectFor):
                return await self._refuse(request, policy, None, decided, checked, trace)
            accept = partial(self._without_call.accept, request, policy, missing_user(request, checked), decided)
            return await self._once(request, checked, trace, accept)
        return await self._second_factor(request, policy, user, checked, trace)

    async def _second_factor(
        self, request: AuthRequest, policy: Policy, user: User, checked: Checked, trace: Trace
    ) -> Decision:
        """Apply the policy's rules to a user whose password is right."""
        code, pins = await self._issued_codes.with_pins(policy.user_key(user))
        if request.second_factor is SecondFactorMode.APPROVE:
            code = None  # it could not be entered
        checked = replace(checked, issued=code, pins=pins)
        known = await self._remembered.has(request, policy, user, checked)
        now, issued, removed = self._dependencies.now(), code is not None, phones_removed(user.phones, pins)
        match decide(policy, user, request, now, has_issued_code=issued, is_remembered=known, phones_removed=removed):
            case RejectFor() as refusal:
                await self._remembered.after_reject(policy.user_key(user), refusal.reason)
                return await self._refuse(request, policy, user, refusal, checked, trace)
            case AcceptWithout() as decided:
                accept = partial(self._without_call.accept, request, policy, user, decided)
                return await self._once(request, checked, trace, accept)
            case _:
                return await self._once(request, checked, trace, partial(self._open, request, policy, user, trace))

    async def _refuse(
        self,
        request: AuthRequest,
        policy: Policy,
        user: User | None,
        refusal: RejectFor,
        checked: Checked,
        trace: Trace,
        report: Report = _nothing,
    ) -> Decision:
        """Reject a user who may not log in, or send a decoy challenge if the policy has decoys.

        `report` is called once the request is recorded, but not for a copy of the request.
        """
        if policy.decoys:
            trace.step("decoy", refusal.reason)
            return await self._once(
                request, checked, trace, partial(self._open_decoy, request, policy, user, trace, report)
            )
        if await self._first_factor.record_rejected(checked):
            report()
        return decisions.rejected(refusal.reason, user.name if user else "", rule=rule_name(refusal.rule))

    async def _relay(
        self, request: AuthRequest, policy: Policy, checked: Checked, challenge: ChallengeRequired | PendingChallenge
    ) -> Decision:
        """Send the challenge of the first factor to the gateway."""
        kept = await self._first_factor.keep_challenge(request, policy, checked, challenge)
        name = await name_of(request, policy)
        if isinstance(kept, Refused):
            return decisions.rejected(kept.reason, name)
        return decisions.relayed(kept, self._dependencies.keys.upstream_state(checked.slot.fingerprint), name)

    async def _once(
        self, request: AuthRequest, checked: Checked, trace: Trace, effect: Callable[[Checked], Awaitable[Decision]]
    ) -> Decision:
        """The decision of `effect`, which records the request. A request that is recorded already has no new effect."""
        try:
            return await effect(checked)
        except RequestRecorded as recorded:
            if checked.slot.holds(recorded.value) and is_pending(recorded.value):
                return await self._once(request, checked.after(recorded.value), trace, effect)
            if checked.slot.holds(recorded.value):
                return await self._join_recorded(request, checked.slot, recorded.value, trace)
        trace.step("request_authenticator_reused")
        self._warn_of_reuse(request.client)
        return await self._once(request, checked.at_alternative_slot(), trace, effect)

    async def _open(self, request: AuthRequest, policy: Policy, user: User, trace: Trace, checked: Checked) -> Decision:
        dependencies, keys = self._dependencies, self._dependencies.keys
        key = keys.session_key(request.client, policy.user_key(user))
        rules, now = policy.rules_of(policy.group_of(user)), dependencies.now()
        pinned = PinnedPhones() if checked.issued else pinned_phones(keys, policy, user, checked.pins, now)
        report = partial(report_changed_phones, dependencies, policy, user.name, request.client, pinned.alarm)
        if isinstance(pinned, RefusedPhones):
            refusal = RejectFor(pinned.reason, rules.pin_rule(pinned.reason))
            return await self._refuse(request, policy, user, refusal, checked, trace, report)
        code, state = dependencies.new_code(rules.digits), keys.first_state(key, checked.slot.fingerprint)
        opened = new_session(keys, now, key, code, state, request, policy, user, checked, pinned)
        if dependencies.limits.success is not None:
            opened = replace(opened, unpinned=pinned.unpinned)
        call = PendingDelivery(opened, code, policy, rules, request)
        if request.second_factor is SecondFactorMode.APPROVE:
            call = self._approvals.prepared(call)
        return await self._open_session(call, state, trace, checked, report)

    async def _open_decoy(
        self, request: AuthRequest, policy: Policy, user: User | None, trace: Trace, report: Report, checked: Checked
    ) -> Decision:
        """Open a decoy session for a user who may not log in. `user` is None if no user has the name."""
        keys, now = self._dependencies.keys, self._dependencies.now()
        opened, state = decoy_session(keys, now, request, policy, user, checked)
        call = PendingDelivery(opened, "", policy, policy.rules_of(opened.group), request)
        return await self._open_session(call, state, trace, checked, report, (NEW_DECOYS,))

    async def _open_session(
        self,
        call: PendingDelivery,
        state: bytes,
        trace: Trace,
        checked: Checked,
        report: Report,
        operations: tuple[LimitOperation, ...] = (),
    ) -> Decision:
        """Open the session of `call`, or join an open one, and place the call.

        `operations` must be allowed for the session to open. `report` is called once the request is recorded, but not
        for a copy of the request.
        """
        opened = call.session
        if self._dependencies.clock() >= call.request.deadline:
            return Decision(Outcome.NO_RESPONSE, Reason.DEADLINE_PASSED, user=opened.name)
        # The charge of the right password is refunded in the same transaction.
        operations, record = (*checked.refund, *operations), checked.slot.session
        session, transition = await self._sessions.apply(
            opened.key, InitialRequest(opened, call.rules.call_seconds), operations=operations, record=record
        )
        is_new = transition.session is not None
        if transition.session is not None:
            checked.charge.settled = True
        if transition.outcome is Outcome.REJECT:
            is_new = await self._first_factor.record_rejected(checked)
        if is_new:
            report()
        elif transition.reason is Reason.BUSY and session is not None and session.approval:
            copied = RecordedRequest(session.id, b"", opened.password, opened.calling_station_id)
            session, transition = await self._sessions.apply(opened.key, copied)
        trace.step("session", decisions.session_step(transition))
        if transition.places_call and session is not None and session.approval:
            held = partial(self._hold, replace(call, session=session), transition, trace)
            return Decision(Outcome.NO_RESPONSE, transition.reason, user=session.name, session=session.id, held=held)
        if transition.places_call and session is not None:
            transition = await self._calls.place(replace(call, session=session), transition, trace)
        return session_decision(self._dependencies, call.request, session, transition, state, opened.name)

    async def _join_recorded(self, request: AuthRequest, slot: Slot, value: bytes, trace: Trace) -> Decision:
        """Process a request that is recorded already: it may only join its own session while that is open.

        If it was accepted without a call, the Access-Accept is repeated for `REPEAT_SECONDS`.
        """
        keys, recorded = self._dependencies.keys, session_of(value)
        if recorded is None:
            return self._without_call.repeated(slot, value) or decisions.rejected(Reason.REPLAY)
        key, session_id = recorded
        state = keys.first_state(key, slot.fingerprint)
        password = keys.password(key, request.credentials.text)
        event = RecordedRequest(session_id, keys.state(state), password, request.calling_station_id)
        session, transition = await self._sessions.apply(key, event)
        trace.step("session", transition.reason)
        return session_decision(self._dependencies, request, session, transition, state, "")
