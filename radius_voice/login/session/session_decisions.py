"""Makes the decision for a transition, with the wording and the decrypted attributes of the response."""

from __future__ import annotations

from msgspec.structs import replace

from radius_voice.events import SecondFactorMode
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.inputs import Transition
from radius_voice.login.model import AuthRequest, Session
from radius_voice.login.session import decisions
from radius_voice.login.session.challenge_responses import requested_delivery
from radius_voice.login.session.decisions import Decision
from radius_voice.login.session.decoys import recorded_decoy


def session_decision(
    dependencies: Dependencies,
    request: AuthRequest,
    session: Session | None,
    transition: Transition,
    state: bytes,
    name: str,
    *,
    response: bool = False,
) -> Decision:
    """The decision on `request` for a transition; see `decisions.decision`. A decoy is recorded as a decoy."""
    session = transition.session or session
    asked = requested_delivery(request.credentials.text) if response else None
    decision = decisions.decision(
        session,
        transition,
        state,
        name,
        dependencies.wording_for(session),
        dependencies.now(),
        response=response,
        asked=asked[0] if asked else None,
        delimiter=request.delimiter if request.second_factor is SecondFactorMode.TWO_PASS else "",
        describes_call=not dependencies.policies[request.policy].decoys,  # that tells that a user exists
    )
    if session is not None and session.is_decoy:
        return recorded_decoy(decision)
    if session is None or not decision.sealed_reply:
        return decision
    reply = dependencies.keys.unseal_reply(session.key, decision.sealed_reply)
    return replace(decision, reply=(*decision.reply, *reply), sealed_reply=b"")
