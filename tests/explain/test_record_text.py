"""Every kind of record, and every reason, has a readable line."""

import json

import pytest

from radius_voice.events import Alarm, Discard, Outcome, Reason
from radius_voice.explain.audit_filter import KINDS
from radius_voice.explain.meanings import meaning, short
from radius_voice.explain.record_text import TEXTS, record_line
from radius_voice.observe.audit import line_of
from tests.observe import records

AT = "2026-01-01T00:00:00.250Z"
LINES = [
    (
        records.REQUEST,
        (
            "accepted     alice (typed ALICE) at hq-vpn from 203.0.113.9: code_correct (the code was right),"
            " would be reject: no_phone (the user has no phone), 3 identical packets, login a1b2"
        ),
    ),
    (records.BARE_REQUEST, "rejected     no known user at hq-vpn: unknown_user (no user has this name)"),
    (
        records.CALL,
        (
            "delivery     twilio was asked to send a text message to +14*******23: not placed;"
            " 20003: credentials refused; compare account_sid and auth_token with the Twilio console, login a1b2"
        ),
    ),
    (records.BARE_CALL, "delivery     twilio was asked to call +14*******23: placed, login a1b2"),
    (records.FOLLOWED, "call         call CA1 of twilio: completed, login a1b2"),
    (records.DISCARDED, "discarded    datagram of 198.51.100.7 (hq-vpn): malformed (not a RADIUS packet): length 3"),
    (records.UNKNOWN_CLIENT, "discarded    datagram of 192.0.2.66: unknown_client (the address belongs to no client)"),
    (
        records.ACCOUNTED,
        (
            "accounting   alice at hq-vpn from 203.0.113.9: stop of session 0000002A, address 10.0.0.9, 3600 s,"
            " 1000000 octets from the user, 5000000000 octets to the user, 2 s ago, user request"
        ),
    ),
    (records.ENDED, "expired      3 logins without a code"),
    (records.LIFECYCLE, "service      reload failed: clients.hq-vpn.secret: missing"),
    (records.ALARM, "alarm        phone changed of alice at hq-vpn: a phone is not pinned: +14*******23"),
    (records.OPERATED, "operator     code issued by dana (uid 1000): user alice of people: valid for 1h"),
]


def written(record):
    line = line_of(record)
    assert line is not None
    return json.loads(line)


@pytest.mark.parametrize(("record", "line"), LINES)
def test_each_kind_of_record_is_one_line(record, line):
    assert f"{AT}  {line}" == record_line(written(record))


def test_every_kind_of_record_has_a_text():
    assert set(KINDS) == set(TEXTS) == {written(record)["kind"] for record, _ in LINES}


@pytest.mark.parametrize("reason", [*Reason, *Discard])
def test_every_reason_has_a_short_meaning(reason):
    whole = meaning(reason, is_discard=isinstance(reason, Discard))
    first = short(whole)

    assert 5 < len(first) < 100
    assert whole.startswith(first)
    assert not set("`[]|") & set(first)


def test_a_reason_of_requests_and_of_discards_has_two_meanings():
    assert "does not belong to this port" in record_line(
        {"kind": "discarded", "client_address": "192.0.2.1", "reason": "wrong_code"}
    )
    assert "attempts are left" in record_line({"kind": "request", "outcome": "challenge", "reason": "wrong_code"})


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("reason", Reason)
def test_a_request_of_every_outcome_and_reason_has_a_line(outcome, reason):
    record = {"kind": "request", "at": AT, "outcome": outcome, "reason": reason, "client": "a", "user": "b"}
    line = record_line(record)

    assert f": {reason} ({short(meaning(reason))})" in line
    assert line.isprintable()


@pytest.mark.parametrize("alarm", Alarm)
def test_every_alarm_has_a_line(alarm):
    line = record_line({"kind": "alarm", "at": AT, "alarm": alarm, "detail": "why"})

    assert f"{AT}  alarm        {alarm.replace('_', ' ')}: why" == line


def test_a_record_of_another_version_shows_its_values():
    assert f"{AT}  future kind  a 1, b x" == record_line({"kind": "future_kind", "at": AT, "a": 1, "b": "x"})
    assert "2  future" == record_line({"kind": "future", "at": 2})


def test_a_gateway_that_starts_has_no_user_and_no_session():
    record = {"kind": "accounting", "at": AT, "client": "hq-vpn", "status": "accounting_on"}

    assert f"{AT}  accounting   no known user at hq-vpn: accounting on" == record_line(record)


def test_one_expired_login_and_suppressed_discards_are_counted():
    assert record_line({"kind": "sessions_expired", "count": 1}).endswith("1 login without a code")
    discarded = {"kind": "discarded", "client_address": "192.0.2.1", "reason": "overload"}
    assert record_line(discarded | {"suppressed": {"overload": 2, "malformed": 3}}).endswith(", and 5 more before")


def test_a_name_cannot_control_the_terminal():
    line = record_line({"kind": "request", "at": "1", "user": "\x1b[2J", "outcome": "\x9b", "reason": "x"})

    assert line.isprintable()


def test_the_outcome_or_kind_is_painted():
    shown = record_line(
        {"kind": "request", "outcome": "reject", "reason": "busy"}, lambda text, tone: f"<{tone} {text}>"
    )

    assert "<reject rejected   >" in shown
