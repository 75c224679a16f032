"""One record of each kind with every field filled, and one with as few as possible."""

from __future__ import annotations

from radius_voice.events import (
    Called,
    CallResult,
    Discard,
    Discarded,
    Ended,
    Event,
    Followed,
    Lifecycle,
    Operated,
    Outcome,
    Reason,
    Resent,
    Step,
)

AT = 1767225600.25

REQUEST = Event(
    at=AT,
    seconds=0.0123456789,
    client="hq-vpn",
    source="198.51.100.7",
    identifier=17,
    outcome=Outcome.ACCEPT,
    reason=Reason.CODE_RIGHT,
    user="alice",
    login="a1b2",
    calling_station="203.0.113.9",
    phone="+14*******23",
    login_seconds=21.5,
    steps=(Step("limits", 0.0001), Step("first_factor", 0.004, "people")),
    typed="ALICE",
    secret=2,
    repeated=3,
)
BARE_REQUEST = Event(AT, 0.5, "hq-vpn", "198.51.100.7", 18, Outcome.REJECT, Reason.UNKNOWN_USER)
CALL = Called(
    AT, 0.2, "a1b2", "twilio", "+14*******23", CallResult.NOT_PLACED, "CA1", "20003: credentials refused", alarm=True
)
BARE_CALL = Called(AT, 0.2, "a1b2", "twilio", "+14*******23", CallResult.PLACED)
FOLLOWED = Followed(AT, "a1b2", "twilio", "CA1", "completed")
DISCARDED = Discarded(AT, "hq-vpn", "198.51.100.7", Discard.MALFORMED, "length 3")
STRANGER = Discarded(AT, "", "192.0.2.66", Discard.UNKNOWN_CLIENT)
RESENT = Resent(AT, "hq-vpn")
ENDED = Ended(AT, 3)
LIFECYCLE = Lifecycle(AT, "reload_failed", "clients.hq-vpn.secret: missing")
OPERATED = Operated(AT, "unlocked", "alice", ("people", "partners"), 1000)

ALL = (REQUEST, BARE_REQUEST, CALL, BARE_CALL, FOLLOWED, DISCARDED, STRANGER, RESENT, ENDED, LIFECYCLE, OPERATED)
