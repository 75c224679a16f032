"""Approvals by key press, for gateways that cannot show a challenge.

The request of a login is held: it is answered when the user has pressed a key, or at the client's deadline. The key may
arrive at any process or node, so the process that holds the request reads the result from the store.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace as with_rules

from msgspec.structs import replace

from radius_voice.events import Alarm, Mode, Outcome, Reason
from radius_voice.login.calls.call_codes import code_message, rules_of
from radius_voice.login.calls.calls import Calls, PendingDelivery
from radius_voice.login.deliveries.call_scripts import AskForKey, Speak, approval_script
from radius_voice.login.deliveries.code_message import Say
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.first_factor.checks import FirstFactorChecks
from radius_voice.login.inputs import ApprovalEnded, ApprovalKey, Transition
from radius_voice.login.model import CallRef, Session, Unavailable
from radius_voice.login.second_factor.remembered import RememberedLogins
from radius_voice.login.second_factor.users import current_phones
from radius_voice.login.session import decisions
from radius_voice.login.session.approval_events import APPROVES, for_approval, takes_keys
from radius_voice.login.session.decisions import Decision
from radius_voice.login.session.session_decisions import session_decision
from radius_voice.login.session.sessions import Sessions
from radius_voice.trace import Trace

POLL_SECONDS = 0.5
"""The interval at which the session of a held request is loaded, because another process may have stored its result."""
DIRECTORY_SECONDS = 5.0
"""How long a key press waits for the directory. Twilio waits about 15 s for a response to a callback."""


class Approvals:
    """Holds requests until their users have pressed a key, for one generation of the configuration."""

    def __init__(
        self,
        dependencies: Dependencies,
        sessions: Sessions,
        calls: Calls,
        first_factor: FirstFactorChecks,
        remembered: RememberedLogins,
    ) -> None:
        self._dependencies = dependencies
        self._sessions = sessions
        self._calls = calls
        self._first_factor = first_factor
        self._remembered = remembered
        self._interrupted = False

    def prepared(self, call: PendingDelivery) -> PendingDelivery:
        """The delivery, changed so that its call asks for an approval and does not ring after the deadline."""
        seconds = max(0.0, call.request.deadline - self._dependencies.clock())
        ring_timeout = max(1, min(call.rules.ring_timeout, int(seconds)))
        rules = with_rules(call.rules, ring_timeout=ring_timeout)
        return replace(call, session=for_approval(call.session, seconds), code="", rules=rules)

    def interrupt(self) -> None:
        """Reject all held requests, because the service is stopping."""
        self._interrupted = True
        self._sessions.wake()

    async def hold(self, call: PendingDelivery, opened: Transition, trace: Trace) -> Decision:
        """Place the call of a new session, and wait for the result of the session."""
        with self._sessions.watch(call.session.id) as ended:
            placing = self._calls.start(call, opened)
            try:
                stored = await self._ended_session(call, ended)
            except Unavailable as problem:
                return decisions.unavailable(call.policy.on_unavailable, problem, trace)
        if placing.done() and placing.exception() is None:
            trace.step("delivery", placing.result().reason)
        return await self._decision(call, stored, trace)

    async def press(self, session: Session, ref: CallRef, key: str) -> tuple[AskForKey | Speak, bool]:
        """Process a key that the user pressed during `ref`, the session's call. Raises Unavailable.

        Returns the next script of the call, and whether the key counted: False if the login had already ended.
        """
        number, reason = session.delivery.number, await self._changed_user(session) if key == APPROVES else None
        event = ApprovalKey(session.id, number, key, ref) if reason is None else None
        stored, transition = await self._sessions.apply(
            session.key, event or ApprovalEnded(session.id, number, reason), known=session
        )
        message, has_effect = self._message(session), transition.session is not None
        texts = message.texts.approval
        if not has_effect and stored is not None and stored.id == session.id and self._takes_keys(stored):
            return approval_script(message, self._dependencies.approval_question(session)), True
        text = texts.approved if transition.outcome is Outcome.ACCEPT else texts.ended
        if has_effect and transition.reason is Reason.FRAUD_REPORTED:
            text = texts.fraud_reported
            await self._on_fraud(session)
        return Speak(message, (Say(text.format()),)), has_effect

    def _takes_keys(self, session: Session) -> bool:
        return takes_keys(session, self._dependencies.now())

    def _message(self, session: Session) -> CodeMessage:
        """A message without a code, with the language, voice and name for calls of the session."""
        dependencies = self._dependencies
        rules = rules_of(dependencies, session)
        if rules is None:
            return CodeMessage(session.language, dependencies.friendly_name, "", catalog=dependencies.messages)
        return code_message(dependencies, rules, session.language)

    async def _ended_session(self, call: PendingDelivery, ended: asyncio.Event) -> Session | None:
        """Wait until the session has a result, and reject it at the deadline. Raises Unavailable."""
        session, dependencies = call.session, self._dependencies
        while (left := call.request.deadline - dependencies.clock()) > 0 and not self._interrupted:
            await _wait(ended, min(left, POLL_SECONDS))
            with suppress(Unavailable):
                stored = await dependencies.store.load(session.key)
                if stored is None or stored.id != session.id or stored.result is not None:
                    return stored
        reason = Reason.INTERRUPTED if self._interrupted else None
        event = ApprovalEnded(session.id, session.delivery.number, reason)
        stored, transition = await self._sessions.apply(session.key, event)
        if transition.session is not None and transition.hang_up is not None:
            await self._calls.end(transition.session, transition.hang_up)
        return stored

    async def _decision(self, call: PendingDelivery, stored: Session | None, trace: Trace) -> Decision:
        """The decision for the result of the session. A session that another one replaced was not approved."""
        request, session, policy = call.request, call.session, call.policy
        transition = Transition(None, Outcome.REJECT, Reason.NOT_APPROVED)
        if stored is not None and stored.id == session.id and stored.result is not None:
            session, transition = stored, Transition(None, stored.result.outcome, stored.result.reason)
        trace.step("approval", transition.reason)
        if transition.reason is Reason.APPROVED:
            if not session.returning:
                await self._first_factor.remember_login(request, policy, session.first_factor_id)
            await self._remembered.after_response(session, transition, policy)
        return session_decision(self._dependencies, request, session, transition, b"", session.name)

    async def _changed_user(self, session: Session) -> Reason | None:
        """Why the user may no longer log in, because something changed after the call was placed; else None."""
        dependencies = self._dependencies
        policy = dependencies.policies.get(session.policy)
        if policy is None:
            return Reason.EXPIRED
        try:
            deadline = dependencies.clock() + DIRECTORY_SECONDS
            current = await current_phones(session, policy, dependencies.keys, deadline)
        except Unavailable as problem:
            dependencies.warn(f"an approval was not accepted: {problem}")
            return Reason.IDENTITY_UNAVAILABLE
        return current if isinstance(current, Reason) else None

    async def _on_fraud(self, session: Session) -> None:
        detail = (
            "the user pressed key 9 to report a login as fraud, and is locked; "
            "change the user's password, then run radius-voice users unlock"
        )
        mode = Mode.ENFORCE
        self._dependencies.alarm(Alarm.FRAUD_REPORTED, detail, user=session.name, client=session.client, mode=mode)
        await self._remembered.after_reject(session.user_key, Reason.FRAUD_REPORTED)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, for at most `seconds`, and clear it."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({waiting}, timeout=seconds)
    waiting.cancel()
    event.clear()
