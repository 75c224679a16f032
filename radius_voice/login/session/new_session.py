"""Creates the session that an initial request opens. Pure, except for the session's random id."""

from __future__ import annotations

from radius_voice.login.codes.issued_codes import for_issued_code
from radius_voice.login.codes.keys import Keys, new_session_id
from radius_voice.login.first_factor.checked import Checked
from radius_voice.login.first_factor.fingerprints import to_remember
from radius_voice.login.model import (
    Authenticated,
    AuthRequest,
    DeliveryAttempt,
    IssuedState,
    Session,
    SessionKey,
    User,
)
from radius_voice.login.phone import NO_PHONE
from radius_voice.login.policies.policy import Policy
from radius_voice.login.session.pinned_phones import PinnedPhones
from radius_voice.login.upstream import HiddenAttribute
from radius_voice.login.voicemail import Voicemail


def new_session(
    keys: Keys,
    now: float,
    key: SessionKey,
    code: str,
    state: bytes,
    request: AuthRequest,
    policy: Policy,
    user: User,
    checked: Checked,
    pinned: PinnedPhones,
) -> Session:
    """The session of a user whose first factor is right, at wall-clock time `now`.

    `code` is the code to speak or send, `state` the State of the challenge, and `pinned` the phones that may be called.
    If the user has a code from the help desk, the session waits for it instead, without a call.
    """
    authenticated = checked.result if isinstance(checked.result, Authenticated) else None
    group = policy.group_of(user)
    rules = policy.rules_of(group)
    voicemail = rules.voicemail_of(rules.methods[0])
    live_until, ends_at = now + rules.call_seconds, now + rules.session_timeout
    reply = rules.reply_to(user)
    hidden = tuple(each for each in reply if isinstance(each, HiddenAttribute))
    session = Session(
        key=key,
        id=new_session_id(),
        client=request.client,
        policy=policy.name,
        group=group,
        user_key=policy.user_key(user),
        name=user.name,
        password=keys.password(key, request.credentials.text),
        calling_station_id=request.calling_station_id,
        code=b"" if voicemail is not Voicemail.OFF else keys.code(key, code),
        states=(IssuedState(keys.state(state)),),
        phones=pinned.phones,
        attempts_left=rules.attempts,
        redials_left=rules.redials,
        delivery=DeliveryAttempt(
            1,
            pinned.phones[0] if pinned.phones else NO_PHONE,
            now,
            live_until,
            method=rules.methods[0],
            voicemail=voicemail,
        ),
        opened_at=now,
        code_until=min(live_until + rules.code_lifetime, ends_at),
        ends_at=ends_at,
        language=user.language,
        reply=tuple(each for each in reply if not isinstance(each, HiddenAttribute)),
        returning=checked.returning,
        password_id=keys.password_id(key, authenticated.password_id) if authenticated else b"",
        first_factor_id=authenticated.user_id if authenticated else "",
        sealed_reply=keys.seal_reply(key, (*hidden, *(authenticated.reply if authenticated else ()))),
        pins=pinned.pins,
        remember=to_remember(keys, key, request, policy, user, checked),
    )
    return session if checked.issued is None else for_issued_code(session, checked.issued)
