from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from msgspec.structs import replace

from radius_voice.events import DeliveryOutcome, Discard, Outcome, Reason, ServiceRecord
from radius_voice.observe.discard_fixes import FIXES
from radius_voice.observe.log import Log, configure
from tests.observe import records


@pytest.fixture(autouse=True)
def _logging_left_as_it_was():
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    yield
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    structlog.reset_defaults()


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def log(stream, clock):
    return Log(configure("info", "json", stream), clock)


@pytest.fixture
def lines(stream):
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_reject_is_logged_with_its_reason(log, lines):
    log(records.BARE_REQUEST)

    (line,) = lines()
    assert ("info", "rejected", "unknown_user") == (line["level"], line["event"], line["reason"])


@pytest.mark.parametrize(
    "record", [records.REQUEST, records.BARE_CALL, records.FOLLOWED, records.RESENT], ids=lambda r: type(r).__name__
)
def test_successes_are_not_logged(log, lines, record):
    log(record)

    assert [] == lines()


def test_at_debug_every_packet_is_a_line_with_its_steps(stream, clock, lines):
    Log(configure("debug", "json", stream), clock)(records.REQUEST)

    (line,) = lines()
    assert ("debug", "accepted") == (line["level"], line["event"])
    assert "limits 0.0001, first_factor 0.0040 (people)" == line["steps"]


def test_a_bypass_is_a_warning(log, lines):
    log(replace(records.REQUEST, reason=Reason.BYPASS))

    assert ["warning"] == [line["level"] for line in lines()]


def test_requests_without_response_are_warnings_once_a_second_per_client(log, lines, clock):
    unanswered = replace(records.BARE_REQUEST, outcome=Outcome.NO_RESPONSE, reason=Reason.STORE_UNAVAILABLE)
    for _ in range(10):
        log(unanswered)
    clock.pass_by(1.0)
    log(replace(unanswered, reason=Reason.INTERNAL_ERROR))

    assert [("warning", None), ("error", "store_unavailable 9")] == [
        (line["level"], line.get("suppressed")) for line in lines()
    ]


def test_a_reject_that_stands_for_several_has_their_number(log, lines):
    log(replace(records.BARE_REQUEST, repeated=999))

    assert [999] == [line["repeated"] for line in lines()]


def test_packets_of_a_suppressed_record_are_counted(log, lines, clock):
    unanswered = replace(records.BARE_REQUEST, outcome=Outcome.NO_RESPONSE, reason=Reason.STORE_UNAVAILABLE)
    log(unanswered)
    log(unanswered)
    log(replace(unanswered, repeated=5))
    clock.pass_by(1.0)
    log(unanswered)

    assert [None, "store_unavailable 6"] == [line.get("suppressed") for line in lines()]


def test_a_status_request_without_response_by_configuration_is_no_failure(log, lines):
    log(replace(records.BARE_REQUEST, outcome=Outcome.NO_RESPONSE, reason=Reason.STATUS))

    assert [] == lines()


def test_discards_are_logged_once_a_second_per_client(log, lines, clock):
    for _ in range(10):
        log(records.DISCARDED)
        log(replace(records.DISCARDED, reason=Discard.OVERLOAD))
    log(records.UNKNOWN_CLIENT)
    clock.pass_by(1.0)
    log(records.DISCARDED)

    assert [None, None, "overload 10, malformed 9"] == [line.get("suppressed") for line in lines()]


@pytest.mark.parametrize("reason", Discard)
def test_a_discard_is_logged_with_its_reason_and_the_fix(log, lines, reason):
    log(replace(records.DISCARDED, reason=reason))

    (line,) = lines()
    assert (reason, FIXES[reason]) == (line["reason"], line["fix"])


def test_refused_credentials_are_a_warning_with_the_fix(log, lines):
    log(records.CALL)

    (line,) = lines()
    assert "warning" == line["level"]
    assert "compare account_sid and auth_token with the Twilio console" == line["fix"]


@pytest.mark.parametrize(
    ("result", "alarm", "level"),
    [
        (DeliveryOutcome.NOT_PLACED, False, "warning"),
        (DeliveryOutcome.INDETERMINATE, False, "warning"),
        (DeliveryOutcome.NUMBER_REJECTED, True, "warning"),
        (DeliveryOutcome.NUMBER_REJECTED, False, "info"),
    ],
)
def test_a_call_that_was_not_placed_is_logged_at_the_level_of_its_cause(log, lines, result, alarm, level):
    log(replace(records.CALL, result=result, alarm=alarm, fix="enable it" if alarm else ""))

    assert [(level, alarm)] == [(line["level"], "fix" in line) for line in lines()]


def test_service_events_are_logged(log, lines):
    for what in ("started", "reloaded", "reload_failed", "draining", "stopped", "warning"):
        log(ServiceRecord(records.AT, what))
    log(records.ENDED)
    log(replace(records.FOLLOWED, status="failed"))

    assert ["info", "info", "error", "info", "info", "warning", "info", "info"] == [line["level"] for line in lines()]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2J", "stray\udcff", "\u202eeve", "\x9b2J"])
def test_no_name_breaks_a_line_or_reaches_a_terminal(stream, clock, form, name):
    Log(configure("info", form, stream), clock)(replace(records.BARE_REQUEST, user=name))

    assert 1 == stream.getvalue().count("\n")
    assert stream.getvalue()[:-1].isprintable()


def test_text_format_is_readable(stream, clock):
    Log(configure("info", "text", stream), clock)(records.CALL)

    assert "delivery requested" in stream.getvalue()
    assert "fix='compare account_sid and auth_token with the Twilio console'" in stream.getvalue()


def test_text_format_shows_several_errors_and_letters_of_any_language(stream, clock):
    log = Log(configure("info", "text", stream), clock)
    log(ServiceRecord(records.AT, "reload_failed", "users.yaml:1: Zoë\nusers.yaml:2: alice"))

    assert "detail='users.yaml:1: Zoë; users.yaml:2: alice'" in stream.getvalue()


def test_a_full_or_closed_stream_raises_nothing(clock):
    class FullStream(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    gone = io.StringIO()
    Log(configure("info", "text", gone), clock)
    gone.close()
    structlog.get_logger().warning("this is discarded")
    Log(configure("info", "json", FullStream()), clock)(records.CALL)


def test_libraries_are_named_without_their_messages(stream, lines):
    configure("debug", "json", stream)
    logging.getLogger("aiohttp.server").info("Authorization: open sesame")
    try:
        int("open sesame")
    except ValueError:
        logging.getLogger("asyncio").exception("Exception in callback %r", b"open sesame")
    logging.getLogger("aiohttp.client").warning("open sesame")

    assert "sesame" not in stream.getvalue()
    failed, warned = lines()
    assert ("asyncio", "error", "ValueError") == (failed["library"], failed["level"], failed["error"])
    assert failed["raised"].startswith("test_log.py:")
    assert ("aiohttp.client", "warning") == (warned["library"], warned["level"])


def test_a_library_that_warns_continuously_is_logged_once_a_second(stream, lines):
    configure("info", "json", stream)
    for number in range(100):
        logging.getLogger("aiohttp.server").warning("bad request %d", number)
    logging.getLogger("aiohttp.client").warning("another place")

    assert ["aiohttp.server", "aiohttp.client"] == [line["library"] for line in lines()]


def test_an_alarm_is_a_warning(log, lines):
    log(records.ALARM)

    (line,) = lines()
    del line["timestamp"]
    assert {
        "level": "warning",
        "event": "alarm",
        "alarm": "phone_changed",
        "detail": "a phone is not pinned: +14*******23",
        "user": "alice",
        "client": "hq-vpn",
    } == line
