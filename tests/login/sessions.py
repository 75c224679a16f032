"""Sessions and inputs for tests of `state_machine.step`. Hashes are readable words."""

from radius_voice.login.codes.issued_codes import IssuedCode, for_issued_code
from radius_voice.login.inputs import ChallengeResponse, NextChallenge
from radius_voice.login.model import CallRef, DeliveryAttempt, IssuedState, Session
from radius_voice.login.phone import Phone

KEY = b"k" * 16
LOGIN = "login1"
PHONES = (Phone("+12025550123"), Phone("+12025550124"))
MAX_CALL, LIFETIME, SESSION_TIMEOUT = 90.0, 120.0, 360.0
REF = CallRef("twilio", "CA1")


def session_row(
    now=0.0, *, code=b"code1", state=b"state1", password=b"pw", calling_station_id="192.0.2.9", login=LOGIN, **changes
):
    values = {
        "key": KEY,
        "id": login,
        "client": "vpn",
        "user_key": "alice-id",
        "name": "alice",
        "password": password,
        "calling_station_id": calling_station_id,
        "code": code,
        "states": (IssuedState(state),),
        "phones": PHONES,
        "attempts_left": 3,
        "redials_left": 2,
        "delivery": DeliveryAttempt(1, PHONES[0], now, now + MAX_CALL),
        "opened_at": now,
        "code_until": now + MAX_CALL + LIFETIME,
        "ends_at": now + SESSION_TIMEOUT,
    }
    return Session(**{**values, **changes})


def challenge_response(state=b"state1", typed=b"code1", *, new_state=b"state2", new_code=b"code2", **changes):
    values = {
        "client": "vpn",
        "name": "alice",
        "state": state,
        "answer": b"answer:" + typed,
        "code": typed,
        "password": typed,
        "phone": None,
        "next_challenge": NextChallenge(new_state, new_code, MAX_CALL, LIFETIME),
    }
    return ChallengeResponse(**{**values, **changes})


def issued_session_row(now=0.0, *, code=b"issued", expires_at=10_000.0, **values):
    """A new session that waits for a code from the help desk."""
    return for_issued_code(session_row(now, **values), IssuedCode(code, expires_at))
