"""Makes the state machine's input from a response to a challenge. Pure."""

from __future__ import annotations

import re

from radius_voice.login.codes.issued_codes import typed_code
from radius_voice.login.codes.keys import Keys
from radius_voice.login.inputs import ChallengeResponse, NextChallenge
from radius_voice.login.model import AuthRequest, Method, Session, SessionKey
from radius_voice.login.policies.policy import UserRules
from radius_voice.login.session.decoys import wrong_code
from radius_voice.login.voicemail import Voicemail

_DELIVERY_REQUEST = re.compile(r"\s*(phone|sms)([1-9]?)\s*", re.IGNORECASE)
_METHODS = {"phone": Method.VOICE, "sms": Method.SMS}


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
    """The input for a response in a session. `name` is from `name_in_session`.

    `code` and `state` are the code and the State of the next challenge, if there is one.
    """
    typed = request.credentials.text
    decoy = session is not None and session.is_decoy
    method, phone = requested_delivery(typed) or (rules.methods[0], None)
    voicemail = Voicemail.OFF if decoy else rules.voicemail_of(method)
    call_seconds = rules.ring_timeout if decoy else rules.call_seconds
    return ChallengeResponse(
        client=request.client,
        name=name,
        state=keys.state(request.state or b""),
        answer=keys.answer(key, typed),
        code=wrong_code() if decoy else typed_code(keys, key, session, typed),
        password=keys.password(key, typed),
        phone=phone,
        redial_allowed=method in rules.methods,
        next_challenge=NextChallenge(
            keys.state(state),
            b"" if voicemail is not Voicemail.OFF else keys.code(key, code),
            call_seconds,
            rules.call_seconds + rules.code_lifetime - call_seconds,
            method,
            voicemail,
            rules.call_seconds,
        ),
    )


def requested_delivery(typed: str) -> tuple[Method, int] | None:
    """The method and the phone index that a text like `phone`, `phone2` or `sms` requests; None for other texts."""
    request = _DELIVERY_REQUEST.fullmatch(typed)
    return (_METHODS[request[1].lower()], int(request[2] or 1) - 1) if request else None
