"""Codes that a provider checks: asks the provider before `state_machine.step`, and ends its verifications.

The answer is stored by session, delivery and typed text. So retransmissions, joined requests and other nodes get the
same answer, and the provider counts one check.
"""

from __future__ import annotations

import asyncio
from hmac import compare_digest

from msgspec.structs import replace

from radius_voice.events import Outcome
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.codes.keys import tidy_code
from radius_voice.login.deliveries.verifications import CodeCheck, VerifierUnavailable
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.inputs import ChallengeResponse, RemoteCheck
from radius_voice.login.model import CallRef, Session, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.login.policies.policy import PROVIDER_SECONDS
from radius_voice.login.ports import RemoteVerifier
from radius_voice.login.session.sessions import Sessions
from radius_voice.login.session.state_machine import only_provider_has_code
from radius_voice.login.supervisor import Supervisor

MIN_DIGITS, MAX_DIGITS = 4, 10
"""The number of digits of a code at any provider."""
CORRECT, WRONG = b"correct", b"wrong"


class RemoteCodes:
    """Checks and ends the verifications of sessions."""

    def __init__(self, dependencies: Dependencies, supervisor: Supervisor, sessions: Sessions) -> None:
        self._dependencies = dependencies
        self._supervisor = supervisor
        self._sessions = sessions
        self._checks: dict[str, tuple[bytes, asyncio.Task[bool | Unavailable]]] = {}

    async def with_facts(
        self, session: Session, response: ChallengeResponse, typed: str, deadline: float
    ) -> ChallengeResponse:
        """The response with the provider's answer: about the code, or about the canceled verification for a redial.

        Raises Unavailable if there is no answer about the code before `deadline`.
        """
        verification = session.delivery.verification
        if verification is None:
            return response
        if response.phone is not None:
            return await self._cancel(session, verification, response, deadline)
        code = tidy_code(typed)
        if not only_provider_has_code(session) or not self._may_be_right(session, response, code):
            return response
        correct = await self._is_correct(session, verification, response, code, deadline)
        return replace(response, remote=RemoteCheck(session.delivery.number, correct))

    def end_with(self, session: Session) -> None:
        """End the verification of a session that has ended, in the background."""
        verification, result = session.delivery.verification, session.result
        accepted = result is not None and result.outcome is Outcome.ACCEPT
        if verification is not None and not (accepted and only_provider_has_code(session)):
            self.end(verification, session.delivery.phone, approved=accepted)

    def end(self, verification: CallRef, phone: Phone, *, approved: bool = False) -> None:
        """End a verification in the background, unless its reference is unknown.

        Ending it by phone could end a newer verification of the same phone.
        """
        if verification.reference:
            self._supervisor.run(self._end(verification, phone, approved=approved))

    def _may_be_right(self, session: Session, response: ChallengeResponse, code: str) -> bool:
        """Whether the text can be a valid code: it has digits only, is not the password, and has not expired."""
        digits = code.isascii() and code.isdecimal() and MIN_DIGITS <= len(code) <= MAX_DIGITS
        is_password = compare_digest(session.password, response.password)
        return digits and not is_password and self._dependencies.now() < session.code_until

    async def _is_correct(
        self, session: Session, verification: CallRef, response: ChallengeResponse, code: str, deadline: float
    ) -> bool:
        """The stored answer, or else the provider's. Requests with the same code share one check.

        The provider is asked about one code of a delivery at a time, so that parallel guesses do not become parallel
        requests.
        """
        delivery = f"{session.id}.{session.delivery.number}"
        key = self._dependencies.keys.code_check(session.key, delivery, response.answer)
        known = await self._dependencies.store.get(key)
        if known is not None:
            return known == CORRECT
        if delivery not in self._checks:
            started = self._supervisor.run(self._check(delivery, key, session, verification, code))
            self._checks[delivery] = key, started
        asked, check = self._checks[delivery]
        if asked != key:
            raise VerifierUnavailable(verification.provider, "is asked about another code of the login")
        await asyncio.wait({check}, timeout=max(0.0, deadline - self._dependencies.clock()))
        if not check.done():
            raise VerifierUnavailable(verification.provider, "has not answered in time whether a code is right")
        answer = check.result()
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    async def _check(
        self, delivery: str, key: bytes, session: Session, verification: CallRef, code: str
    ) -> bool | Unavailable:
        """Ask the provider and store the answer, even after the deadline: a retransmission needs it."""
        dependencies = self._dependencies
        try:
            deadline = dependencies.clock() + PROVIDER_SECONDS
            phone = session.delivery.phone
            answer = await self._verifier(verification).check(verification.reference, phone, code, deadline)
            seconds = session.ends_at + REPEAT_SECONDS - dependencies.now()
            correct = answer is CodeCheck.CORRECT
            await dependencies.store.put(key, CORRECT if correct else WRONG, seconds)
        except Unavailable as problem:
            return problem if problem.component == "store" else VerifierUnavailable(problem.component, problem.detail)
        finally:
            del self._checks[delivery]
        return correct

    async def _cancel(
        self, session: Session, verification: CallRef, response: ChallengeResponse, deadline: float
    ) -> ChallengeResponse:
        """Cancel the verification if another delivery is possible. Returns the response with the result."""
        redial = replace(response, canceled=session.delivery.number)
        possible, limit = await self._sessions.would_call(session, redial)
        if not possible:
            return replace(response, limit=limit)
        try:
            async with asyncio.timeout(max(0.0, deadline - self._dependencies.clock())):
                canceled = await self._end(verification, session.delivery.phone, approved=False)
        except TimeoutError:
            return response
        return redial if canceled else response

    async def _end(self, verification: CallRef, phone: Phone, *, approved: bool) -> bool:
        """End the verification. False if it may still be pending."""
        try:
            verifier = self._verifier(verification)
            await (verifier.approve if approved else verifier.cancel)(verification.reference, phone)
        except Unavailable as problem:
            self._dependencies.warn(f"a verification could not be ended: {problem}")
            return False
        return True

    def _verifier(self, verification: CallRef) -> RemoteVerifier:
        verifier = self._dependencies.verifiers.get(verification.provider)
        if verifier is None:
            raise Unavailable(verification.provider, "is no longer configured")
        return verifier
