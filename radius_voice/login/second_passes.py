"""Second passes: requests with `password,code`, from gateways that cannot show a challenge (see `two_pass`)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from radius_voice.events import Reason, SecondFactorMode
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.model import AuthRequest, PapPassword, Session, SessionKey, Unavailable
from radius_voice.login.policies.policy import Policy
from radius_voice.login.replay import Slot
from radius_voice.login.second_factor.users import find_user
from radius_voice.login.session import decisions
from radius_voice.login.session.decisions import Decision
from radius_voice.login.session.sessions import MAX_CAS_RETRIES, RequestRecorded
from radius_voice.login.session.two_pass import SecondPass, TypedPass, mismatch, second_pass, typed_pass
from radius_voice.login.session_responses import SessionResponses
from radius_voice.trace import Trace

NO_SESSION = "no_open_session"


class SecondPasses:
    """Decides on second passes. `warn_of_reuse` is called with a client whose gateway reuses Request Authenticators."""

    def __init__(
        self, dependencies: Dependencies, responses: SessionResponses, warn_of_reuse: Callable[[str], None]
    ) -> None:
        self._dependencies = dependencies
        self._responses = responses
        self._warn_of_reuse = warn_of_reuse
        self._digits = {rules.digits for policy in dependencies.policies.values() for rules in policy.all_rules}

    async def decide(self, request: AuthRequest, policy: Policy, trace: Trace) -> Decision | None:
        """The decision on a second pass; None if the request is a first pass, whose whole field is the password."""
        if request.second_factor is not SecondFactorMode.TWO_PASS:
            return None
        typed = typed_pass(request, self._digits)
        if typed is None:
            return None
        try:
            user = await find_user(request, policy)
            if user is None:
                return None
            key = self._dependencies.keys.session_key(request.client, policy.user_key(user))
            return await self._in_session(request, key, typed, policy, trace)
        except Unavailable as problem:
            return decisions.unavailable(policy.on_unavailable, problem, trace)

    async def _in_session(
        self, request: AuthRequest, key: SessionKey, typed: TypedPass, policy: Policy, trace: Trace
    ) -> Decision | None:
        """The decision in the session `key`; None for a first pass.

        If another request answers the same State first, this request answers the next State.
        """
        keys = self._dependencies.keys
        slot, is_recorded = keys.slot(request.client, request.authenticator, request.encrypted_credentials), False
        response = replace(request, credentials=PapPassword(typed.code), state=keys.first_state(key, slot.fingerprint))
        for _ in range(MAX_CAS_RETRIES):
            session = await self._dependencies.store.load(key)
            second = self._second_pass(session, request, typed, slot, policy, is_recorded=is_recorded)
            if session is None or isinstance(second, str):
                trace.step("not_second_pass", str(second))
                return None
            try:
                decision = await self._responses.decide_second_pass(response, session, second, policy, trace)
            except RequestRecorded as recorded:
                if slot.holds(recorded.value):
                    is_recorded = True
                else:
                    trace.step("request_authenticator_reused")
                    self._warn_of_reuse(request.client)
                    slot = slot.alternative
                continue
            if decision.reason is not Reason.USED_STATE:
                return decision
        raise Unavailable("store", "a session changed too often")

    def _second_pass(
        self,
        session: Session | None,
        request: AuthRequest,
        typed: TypedPass,
        slot: Slot,
        client_policy: Policy,
        *,
        is_recorded: bool,
    ) -> SecondPass | str:
        """The second pass of a request, or why it is a first pass."""
        if session is None:
            return NO_SESSION
        keys, now = self._dependencies.keys, self._dependencies.now()
        policy = self._dependencies.policies.get(session.policy, client_policy)
        why = mismatch(session, request, typed, policy.rules_of(session.group).digits, keys)
        return why or second_pass(session, request, typed, slot, keys, now, is_recorded=is_recorded) or NO_SESSION
