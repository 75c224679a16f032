"""Responses to the challenges of sessions: the code, a request for another delivery, or neither."""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from radius_voice.events import Reason
from radius_voice.login.calls.calls import Calls, PendingDelivery
from radius_voice.login.calls.remote_codes import RemoteCodes
from radius_voice.login.codes.issued_codes import IssuedCodes, is_issued
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.first_factor.checks import FirstFactorChecks
from radius_voice.login.inputs import ChallengeResponse, Transition, UserChanged
from radius_voice.login.model import AuthRequest, Session, SessionKey
from radius_voice.login.policies.policy import Policy, UserRules
from radius_voice.login.second_factor.remembered import RememberedLogins
from radius_voice.login.second_factor.users import current_phones, name_in_session
from radius_voice.login.session.challenge_responses import response_of
from radius_voice.login.session.decisions import Decision
from radius_voice.login.session.pinned_phones import report_changed_phones
from radius_voice.login.session.session_decisions import session_decision
from radius_voice.login.session.sessions import SessionOutdated, Sessions
from radius_voice.login.session.state_machine import needs_current_user
from radius_voice.login.session.two_pass import SecondPass
from radius_voice.trace import Trace


class SessionResponses:
    """Decides on responses to challenges."""

    def __init__(
        self,
        dependencies: Dependencies,
        sessions: Sessions,
        calls: Calls,
        first_factor: FirstFactorChecks,
        remembered: RememberedLogins,
        issued_codes: IssuedCodes,
        remote_codes: RemoteCodes,
    ) -> None:
        self._dependencies = dependencies
        self._sessions = sessions
        self._calls = calls
        self._first_factor = first_factor
        self._remembered = remembered
        self._issued_codes = issued_codes
        self._remote_codes = remote_codes

    async def decide(self, request: AuthRequest, key: SessionKey, client_policy: Policy, trace: Trace) -> Decision:
        """The decision on a response to a challenge of the session `key`. Raises Unavailable."""
        recalled = self._sessions.recalled(key)
        if recalled is not None:
            with suppress(SessionOutdated):
                return await self._respond_in(recalled, request, key, client_policy, trace, is_recalled=True)
        session = await self._dependencies.store.load(key)
        return await self._respond_in(session, request, key, client_policy, trace)

    async def decide_second_pass(
        self, request: AuthRequest, session: Session, second: SecondPass, client_policy: Policy, trace: Trace
    ) -> Decision:
        """The decision on a second pass; the credentials of `request` are the code.

        Raises RequestRecorded if the request already had an effect, and Unavailable.
        """
        return await self._respond_in(session, request, session.key, client_policy, trace, second=second)

    async def _respond_in(
        self,
        session: Session | None,
        request: AuthRequest,
        key: SessionKey,
        client_policy: Policy,
        trace: Trace,
        *,
        is_recalled: bool = False,
        second: SecondPass | None = None,
    ) -> Decision:
        """The decision on a response in a session.

        Raises SessionOutdated if the session is recalled and may have changed in the store.
        """
        dependencies, keys = self._dependencies, self._dependencies.keys
        policy, rules = self._policy_of(session, client_policy)
        code = dependencies.new_code(rules.digits)
        state = keys.next_state(key, request.state or b"", request.credentials.text)
        name = await name_in_session(request, session, client_policy, keys)
        response = response_of(request, name, key, session, rules, code, state, keys)
        record = None
        if second is not None:
            response, record = replace(response, state=second.state, answer=second.answer), second.record
        event = await self._event(session, response, policy, request)
        if is_recalled and session is not None:
            session, transition = await self._sessions.apply_unloaded(session, event)
        else:
            session, transition = await self._sessions.apply(key, event, known=session, record=record)
        trace.step("response", transition.reason)
        if session is not None and transition.reason is Reason.PHONE_NOT_CONFIRMED:
            report_changed_phones(dependencies, policy, session.name, request.client, session.phones)
        if session is not None:
            if session.is_decoy:
                trace.step("decoy")
            transition = await self._after_response(session, transition, code, policy, request, trace)
        return session_decision(dependencies, request, session, transition, state, "", response=True)

    async def _event(
        self, session: Session | None, response: ChallengeResponse, policy: Policy, request: AuthRequest
    ) -> ChallengeResponse | UserChanged:
        """The input for `step`: the response, checked with the directory and the provider if it may have an effect."""
        if session is None or not needs_current_user(session, response, self._dependencies.now()):
            return response
        event = await self._with_current_user(session, response, policy, request.deadline)
        if isinstance(event, UserChanged):
            return event
        return await self._remote_codes.with_facts(session, event, request.credentials.text, request.deadline)

    def _policy_of(self, session: Session | None, client_policy: Policy) -> tuple[Policy, UserRules]:
        """The policy and rules of a session. Without a session, or if its policy was removed, those of the client."""
        if session is None:
            return client_policy, client_policy.rules
        policy = self._dependencies.policies.get(session.policy, client_policy)
        return policy, policy.rules_of(session.group)

    async def _after_response(
        self,
        session: Session,
        transition: Transition,
        code: str,
        policy: Policy,
        request: AuthRequest,
        trace: Trace,
    ) -> Transition:
        """Store that the user has logged in from this station; place or end a call if the transition requires it."""
        if transition.reason is Reason.CODE_CORRECT and not session.returning:
            await self._first_factor.remember_login(request, policy, session.first_factor_id)
        await self._remembered.after_response(session, transition, policy)
        if transition.session is not None and session.result is not None:
            self._remote_codes.end_with(session)
        if transition.places_call:
            call = PendingDelivery(session, code, policy, policy.rules_of(session.group), request, transition.hang_up)
            return await self._calls.place(call, transition, trace)
        if transition.hang_up is not None:
            await self._calls.end(session, transition.hang_up)
        return transition

    async def _with_current_user(
        self, session: Session, response: ChallengeResponse, policy: Policy, deadline: float
    ) -> ChallengeResponse | UserChanged:
        """The response, or UserChanged if the directory no longer permits the login or the issued code was replaced."""
        if session.is_decoy:
            return response  # `name_in_session` has read the directory
        if is_issued(session) and not await self._issued_codes.is_current(session):
            return UserChanged(response.state, response.answer, Reason.EXPIRED)
        phones = await current_phones(session, policy, self._dependencies.keys, deadline)
        if isinstance(phones, Reason):
            return UserChanged(response.state, response.answer, phones)
        if response.phone is None:
            return response
        known = response.phone < len(session.phones)
        allowed = response.redial_allowed and known and session.phones[response.phone] in phones
        return replace(response, redial_allowed=allowed)
