"""One record of each kind with every field filled, and one with as few as possible."""

from __future__ import annotations

from radius_voice.events import (
    AccountingRecord,
    Alarm,
    AlarmRecord,
    CallStatusRecord,
    DeliveryOutcome,
    Discard,
    DiscardRecord,
    ExpiryRecord,
    Mode,
    OperatorRecord,
    Outcome,
    PlacementRecord,
    ProbeRecord,
    Reason,
    RequestRecord,
    ResendRecord,
    SecondFactorMode,
    ServiceRecord,
)
from radius_voice.trace import TraceStep

AT = 1767225600.25

REQUEST = RequestRecord(
    at=AT,
    seconds=0.0123456789,
    client="hq-vpn",
    client_address="198.51.100.7",
    identifier=17,
    outcome=Outcome.ACCEPT,
    reason=Reason.CODE_CORRECT,
    user="alice",
    session="a1b2",
    calling_station_id="203.0.113.9",
    phone="+14*******23",
    login_seconds=21.5,
    steps=(TraceStep("limits", 0.0001), TraceStep("first_factor", 0.004, "people")),
    typed_user="ALICE",
    secret=2,
    repeated=3,
    rule="policies.staff.exemptions[0]",
    rule_reason="no phone line in the data centre",
    mode=Mode.REPORT,
    would_outcome=Outcome.REJECT,
    would_reason=Reason.NO_PHONE,
    second_factor=SecondFactorMode.TWO_PASS,
    request_id="0123456789abcdef",
)
BARE_REQUEST = RequestRecord(AT, 0.5, "hq-vpn", "198.51.100.7", 18, Outcome.REJECT, Reason.UNKNOWN_USER)
CALL = PlacementRecord(
    AT,
    0.2,
    "a1b2",
    "twilio",
    "+14*******23",
    DeliveryOutcome.NOT_PLACED,
    "CA1",
    "20003: credentials refused",
    alarm=True,
    fix="compare account_sid and auth_token with the Twilio console",
    method="sms",
    mode=Mode.REPORT,
)
BARE_CALL = PlacementRecord(AT, 0.2, "a1b2", "twilio", "+14*******23", DeliveryOutcome.PLACED)
FOLLOWED = CallStatusRecord(AT, "a1b2", "twilio", "CA1", "completed", Mode.REPORT)
DISCARDED = DiscardRecord(
    AT, client="hq-vpn", client_address="198.51.100.7", reason=Discard.MALFORMED, detail="length 3"
)
UNKNOWN_CLIENT = DiscardRecord(AT, client_address="192.0.2.66", reason=Discard.UNKNOWN_CLIENT)
RESENT = ResendRecord(AT, "hq-vpn")
PROBED = ProbeRecord(AT, "hq-vpn", Outcome.ACCEPT)
ACCOUNTED = AccountingRecord(
    AT,
    client="hq-vpn",
    client_address="198.51.100.7",
    status="stop",
    accounting_session="0000002A",
    user="alice",
    calling_station_id="203.0.113.9",
    framed_address="10.0.0.9",
    session_seconds=3600,
    input_octets=1_000_000,
    output_octets=5_000_000_000,
    terminate_cause="user_request",
    delay=2,
)
ENDED = ExpiryRecord(AT, 3)
LIFECYCLE = ServiceRecord(AT, "reload_failed", "clients.hq-vpn.secret: missing")
ALARM = AlarmRecord(AT, Alarm.PHONE_CHANGED, "a phone is not pinned: +14*******23", "alice", "hq-vpn", Mode.REPORT)
OPERATED = OperatorRecord(AT, "code_issued", "alice", "people", 1000, "dana", "valid for 1h")

ALL = (
    REQUEST,
    BARE_REQUEST,
    CALL,
    BARE_CALL,
    FOLLOWED,
    DISCARDED,
    UNKNOWN_CLIENT,
    RESENT,
    PROBED,
    ACCOUNTED,
    ENDED,
    LIFECYCLE,
    ALARM,
    OPERATED,
)
