from __future__ import annotations

import io
import json
import logging
from dataclasses import replace

import pytest
import structlog
from twilio.http.http_client import TwilioHttpClient

from radius_voice.events import CallResult, Discard, Lifecycle, Outcome, Reason
from radius_voice.observe.log import MENDS, Log, configure
from tests.observe import records


@pytest.fixture(autouse=True)
def _logging_left_as_it_was():
    root, twilio = logging.getLogger(), logging.getLogger("twilio")
    kept = root.handlers[:], root.level, twilio.level
    yield
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    twilio.setLevel(kept[2])
    structlog.reset_defaults()


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def log(stream, clock):
    return Log(configure("info", "json", stream), clock)


@pytest.fixture
def said(stream):
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_reject_is_said_with_its_reason(log, said):
    log(records.BARE_REQUEST)

    (line,) = said()
    assert ("info", "rejected", "unknown_user") == (line["level"], line["event"], line["reason"])


@pytest.mark.parametrize(
    "record", [records.REQUEST, records.BARE_CALL, records.FOLLOWED, records.RESENT], ids=lambda r: type(r).__name__
)
def test_what_went_well_is_not_a_line(log, said, record):
    log(record)

    assert [] == said()


def test_at_debug_every_packet_is_a_line_with_its_steps(stream, clock, said):
    Log(configure("debug", "json", stream), clock)(records.REQUEST)

    (line,) = said()
    assert ("debug", "accepted") == (line["level"], line["event"])
    assert "limits 0.0001, first_factor 0.0040 (people)" == line["steps"]


def test_a_bypass_is_a_warning(log, said):
    log(replace(records.REQUEST, reason=Reason.BYPASSED))

    assert ["warning"] == [line["level"] for line in said()]


def test_packets_left_unanswered_are_warnings_once_a_second_a_client(log, said, clock):
    silence = replace(records.BARE_REQUEST, outcome=Outcome.SILENCE, reason=Reason.STORE_UNAVAILABLE)
    for _ in range(10):
        log(silence)
    clock.pass_by(1.0)
    log(replace(silence, reason=Reason.INTERNAL_ERROR))

    assert [("warning", None), ("error", "store_unavailable 9")] == [
        (line["level"], line.get("suppressed")) for line in said()
    ]


def test_a_reject_that_stands_for_many_says_for_how_many(log, said):
    log(replace(records.BARE_REQUEST, repeated=999))

    assert [999] == [line["repeated"] for line in said()]


def test_packets_that_a_record_stands_for_count_when_it_is_suppressed(log, said, clock):
    silence = replace(records.BARE_REQUEST, outcome=Outcome.SILENCE, reason=Reason.STORE_UNAVAILABLE)
    log(silence)
    log(silence)
    log(replace(silence, repeated=5))
    clock.pass_by(1.0)
    log(silence)

    assert [None, "store_unavailable 6"] == [line.get("suppressed") for line in said()]


def test_a_status_request_that_is_not_to_be_answered_is_no_failure(log, said):
    log(replace(records.BARE_REQUEST, outcome=Outcome.SILENCE, reason=Reason.STATUS))

    assert [] == said()


def test_discards_are_said_once_a_second_a_client(log, said, clock):
    for _ in range(10):
        log(records.DISCARDED)
        log(replace(records.DISCARDED, reason=Discard.OVERLOAD))
    log(records.STRANGER)
    clock.pass_by(1.0)
    log(records.DISCARDED)

    assert [None, None, "overload 10, malformed 9"] == [line.get("suppressed") for line in said()]


def test_refused_credentials_are_a_warning_with_the_mend(log, said):
    log(records.CALL)

    (line,) = said()
    assert "warning" == line["level"]
    assert "Twilio refused the credentials; run radius-voice test-credentials" == line["fix"]


@pytest.mark.parametrize("code", MENDS)
def test_every_alarm_that_is_known_has_its_mend(log, said, code):
    log(replace(records.CALL, detail=f"{code}: so said the provider"))

    assert MENDS[code] == said()[0]["fix"]


def test_an_alarm_that_is_not_known_still_says_what_to_do(log, said):
    log(replace(records.CALL, detail="HTTP 418, code 99999"))

    assert "radius-voice test-credentials" in said()[0]["fix"]


@pytest.mark.parametrize(
    ("result", "alarm", "level"),
    [
        (CallResult.NOT_PLACED, False, "warning"),
        (CallResult.UNKNOWN, False, "warning"),
        (CallResult.NUMBER_REFUSED, True, "warning"),
        (CallResult.NUMBER_REFUSED, False, "info"),
    ],
)
def test_a_call_that_was_not_placed_is_said_as_loud_as_it_matters(log, said, result, alarm, level):
    log(replace(records.CALL, result=result, alarm=alarm))

    assert [(level, alarm)] == [(line["level"], "fix" in line) for line in said()]


def test_the_services_life_is_said(log, said):
    for what in ("started", "reloaded", "reload_failed", "draining", "stopped", "warning"):
        log(Lifecycle(records.AT, what))
    log(records.ENDED)
    log(replace(records.FOLLOWED, status="failed"))

    assert ["info", "info", "error", "info", "info", "warning", "info", "info"] == [line["level"] for line in said()]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2J", "stray\udcff", "\u202eeve", "\x9b2J"])
def test_no_name_breaks_a_line_or_reaches_a_terminal(stream, clock, form, name):
    Log(configure("info", form, stream), clock)(replace(records.BARE_REQUEST, user=name))

    assert 1 == stream.getvalue().count("\n")
    assert stream.getvalue()[:-1].isprintable()


def test_text_is_for_people(stream, clock):
    Log(configure("info", "text", stream), clock)(records.CALL)

    assert "call asked for" in stream.getvalue()
    assert "fix='Twilio refused the credentials; run radius-voice test-credentials'" in stream.getvalue()


def test_a_stream_that_is_full_or_gone_raises_nothing(clock):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    gone = io.StringIO()
    Log(configure("info", "text", gone), clock)
    gone.close()
    structlog.get_logger().warning("nobody hears this")
    Log(configure("info", "json", Full()), clock)(records.CALL)


def test_twilios_log_of_headers_and_numbers_is_off(stream):
    configure("debug", "text", stream)
    client = TwilioHttpClient()
    client.logger.handlers[:] = []
    client.log_request(
        {
            "method": "POST",
            "url": "https://api.example/Calls.json",
            "headers": {"X-Secret": "open sesame"},
            "params": {"To": "+14155550123"},
        }
    )
    client.logger.error("credentials open sesame")

    assert not stream.getvalue()


def test_libraries_are_named_and_their_texts_are_not(stream, said):
    configure("debug", "json", stream)
    logging.getLogger("aiohttp.server").info("Authorization: open sesame")
    try:
        int("open sesame")
    except ValueError:
        logging.getLogger("asyncio").exception("Exception in callback %r", b"open sesame")
    logging.getLogger("aiohttp.client").warning("open sesame")

    assert "sesame" not in stream.getvalue()
    failed, warned = said()
    assert ("asyncio", "error", "ValueError") == (failed["library"], failed["level"], failed["error"])
    assert failed["raised"].startswith("test_log.py:")
    assert ("aiohttp.client", "warning") == (warned["library"], warned["level"])


def test_a_library_that_complains_on_and_on_has_a_line_a_second(stream, said):
    configure("info", "json", stream)
    for number in range(100):
        logging.getLogger("aiohttp.server").warning("bad request %d", number)
    logging.getLogger("aiohttp.client").warning("another place")

    assert ["aiohttp.server", "aiohttp.client"] == [line["library"] for line in said()]
