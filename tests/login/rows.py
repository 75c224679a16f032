"""Rows and events for tests of `challenge.step`: hashes are readable words here."""

from radius_voice.login.challenge import Answered, Fresh
from radius_voice.login.model import Call, CallRef, HandedOut, Login
from radius_voice.login.phone import Phone

KEY = b"k" * 16
LOGIN = "login1"
PHONES = (Phone("+12025550123"), Phone("+12025550124"))
LIVE, LIFETIME, CAP = 90.0, 120.0, 360.0
REF = CallRef("twilio", "CA1")


def blank(now=0.0, *, code=b"code1", state=b"state1", password=b"pw", source="192.0.2.9", login=LOGIN, **changes):
    values = {
        "key": KEY,
        "id": login,
        "client": "vpn",
        "person": "alice-id",
        "name": "alice",
        "password": password,
        "source": source,
        "code": code,
        "states": (HandedOut(state),),
        "phones": PHONES,
        "tries": 3,
        "redials": 2,
        "call": Call(1, PHONES[0], now, now + LIVE),
        "opened_at": now,
        "code_until": now + LIVE + LIFETIME,
        "ends_at": now + CAP,
    }
    return Login(**{**values, **changes})


def answered(state=b"state1", typed=b"code1", *, new_state=b"state2", new_code=b"code2", **changes):
    values = {
        "client": "vpn",
        "name": "alice",
        "state": state,
        "answer": b"answer:" + typed,
        "code": typed,
        "password": typed,
        "phone": None,
        "fresh": Fresh(new_state, new_code, LIVE, LIFETIME),
    }
    return Answered(**{**values, **changes})
