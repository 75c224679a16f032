"""Creates the codes of calls that were placed without one.

The hash is stored before the code is spoken, so no call speaks a code that cannot be checked. The code does not exist
before a human has answered.
"""

from __future__ import annotations

from radius_voice.login.deliveries.call_scripts import Speak, code_script
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.inputs import CodeCreated
from radius_voice.login.model import CallRef, Session
from radius_voice.login.policies.policy import UserRules
from radius_voice.login.session.sessions import Sessions


class CallCodes:
    """Creates codes for one generation of the configuration."""

    def __init__(self, dependencies: Dependencies, sessions: Sessions) -> None:
        self._dependencies = dependencies
        self._sessions = sessions

    async def create(self, session: Session, ref: CallRef) -> Speak | None:
        """Store a new code in a session whose call waits for one; returns what the call speaks.

        None if no code is needed: the session already has one, has ended, or has another call. Raises Unavailable.
        """
        dependencies = self._dependencies
        rules = rules_of(dependencies, session)
        if rules is None:
            return None
        code = dependencies.new_code(rules.digits)
        hashed = dependencies.keys.code(session.key, code)
        created = CodeCreated(session.id, session.delivery.number, hashed, rules.code_lifetime, ref)
        _, transition = await self._sessions.apply(session.key, created, known=session)
        if transition.session is None:
            return None
        return code_script(code_message(dependencies, rules, session.language, code))


def rules_of(dependencies: Dependencies, session: Session) -> UserRules | None:
    """The rules of a session; None if its policy was removed."""
    policy = dependencies.policies.get(session.policy)
    return policy.rules_of(session.group) if policy is not None else None


def code_message(dependencies: Dependencies, rules: UserRules, language: str, code: str = "") -> CodeMessage:
    """The message that a delivery of a login speaks or sends."""
    return CodeMessage(
        language,
        rules.friendly_name or dependencies.friendly_name,
        code,
        catalog=dependencies.messages,
        speech=rules.speech,
    )
