"""What a response to a challenge means: its hashes, and whether it requests another call. Pure."""

from __future__ import annotations

import re

from radius_voice.login.codes import Keys
from radius_voice.login.decoys import is_decoy, wrong_code
from radius_voice.login.inputs import ChallengeResponse, NextChallenge
from radius_voice.login.issued_codes import typed_code
from radius_voice.login.model import AuthRequest, Session, SessionKey
from radius_voice.login.policy import UserRules

_PHONE_REQUEST = re.compile(r"\s*phone([1-9]?)\s*", re.IGNORECASE)


def response_of(
    request: AuthRequest,
    name: str,
    key: SessionKey,
    session: Session | None,
    rules: UserRules,
    code: str,
    state: bytes,
    keys: Keys,
) -> ChallengeResponse:
    """The response in a session, under the name to compare. `code` and `state` are those of the next challenge."""
    typed = request.credentials.text
    decoy = session is not None and is_decoy(session)
    call_seconds = rules.ring_timeout if decoy else rules.call_seconds
    return ChallengeResponse(
        client=request.client,
        name=name,
        state=keys.state(request.state or b""),
        answer=keys.answer(key, typed),
        code=wrong_code() if decoy else typed_code(keys, key, session, typed),
        password=keys.password(key, typed),
        phone=_requested_phone(typed),
        next_challenge=NextChallenge(
            keys.state(state),
            keys.code(key, code),
            call_seconds,
            rules.call_seconds + rules.code_lifetime - call_seconds,
        ),
    )


def _requested_phone(typed: str) -> int | None:
    """The index of the phone that `phone`, `phone2` ... request instead of a code, or None."""
    request = _PHONE_REQUEST.fullmatch(typed)
    return int(request[1] or 1) - 1 if request else None
