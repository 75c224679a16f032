"""The timeline of a past login."""

import pytest

from radius_voice.events import Outcome, Reason
from radius_voice.explain.meanings import RESPONSES, meaning
from radius_voice.explain.past_login import NO_RESULT, explained, timeline

REQUEST = {
    "kind": "request",
    "at": "2026-11-26T13:50:11.383Z",
    "client": "gateway",
    "client_address": "192.0.2.1",
    "identifier": 7,
    "calling_station_id": "198.51.100.9",
    "outcome": "challenge",
    "reason": "call_placed",
    "user": "alice",
    "steps": [{"name": "password", "after": 0.0318, "detail": "right"}, {"name": "error", "after": 0.04}],
}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_meaning_without_markup(reason):
    text = meaning(reason)

    assert text
    assert not set("`[]|") & set(text)
    assert not text.startswith(("accepted:", "challenged:", "no response:", "on_unavailable:"))


def test_every_outcome_has_a_name():
    assert set(Outcome) == set(RESPONSES)


def test_a_reason_of_another_version_has_no_meaning():
    record = REQUEST | {"reason": "future"}

    assert record == explained(record)
    assert "  -> Access-Challenge: future" in list(timeline("a1", [record]))


def test_a_request_is_shown_with_its_steps_and_the_meaning_of_its_reason():
    assert [
        "login a1 of alice through client gateway",
        "",
        "2026-11-26T13:50:11.383Z  request 7 from 192.0.2.1, Calling-Station-Id 198.51.100.9, 5 identical packets",
        "       31.8 ms  password: right",
        "       40.0 ms  error",
        "  -> Access-Challenge: call_placed (the provider accepted the call)",
        "",
        NO_RESULT,
    ] == list(timeline("a1", [REQUEST | {"repeated": 5}]))


def test_a_rule_that_decided_is_shown():
    record = REQUEST | {"outcome": "accept", "reason": "exempt", "rule": "policies.a.exemptions[0]", "rule_reason": "b"}

    assert ["  rule: policies.a.exemptions[0]", "  rule reason: b"] == list(timeline("a1", [record]))[-2:]


def test_report_mode_shows_what_would_have_happened():
    reported = {"outcome": "accept", "reason": "report_mode", "would_outcome": "reject", "would_reason": "no_phone"}
    lines = list(timeline("a1", [REQUEST | reported]))

    assert (
        "  -> Access-Accept: report_mode (accepted without a call, because the policy is in report mode)" == lines[-2]
    )
    assert "  without report mode: Access-Reject: no_phone (the user has no phone)" == lines[-1]


def test_the_time_of_a_whole_login_is_shown():
    accepted = REQUEST | {"outcome": "accept", "reason": "code_correct", "login_seconds": 21.5}

    assert "  the login took 21.5 s" == list(timeline("a1", [accepted]))[-1]


def test_the_response_has_the_colour_of_its_outcome_and_names_cannot_have_any():
    record = REQUEST | {"user": "\x1b[2J"}
    lines = list(timeline("a1", [record], paint=lambda text, tone: f"\x1b<{tone}>{text}"))

    assert ["  -> Access-Challenge"] == [line[12:33] for line in lines if line.startswith("\x1b<challenge>")]
    assert 1 == sum("\x1b" in line for line in lines)


def test_calls_are_shown_with_what_an_administrator_can_do():
    call = {"kind": "delivery", "at": "1", "provider": "twilio", "phone": "+1*23", "result": "not_placed", "fix": "pay"}
    status = {"kind": "call_status", "at": "2", "provider": "twilio", "reference": "CA1", "status": "no_answer"}

    assert [
        "login a1",
        "",
        "1  twilio was asked to call +1*23: not placed",
        "  fix: pay",
        "",
        "2  call CA1 of twilio: no answer",
        "",
        "3  future",
        "",
        NO_RESULT,
    ] == list(timeline("a1", [call, status, {"kind": "future", "at": "3"}]))


def test_a_response_with_a_final_result_ends_the_timeline():
    final = REQUEST | {"outcome": "accept", "reason": "code_correct", "steps": [{"name": "response", "after": 0.001}]}

    lines = list(timeline("a1", [final]))

    assert "request 7 from 192.0.2.1, response to a challenge" in lines[2]
    assert "  -> Access-Accept: code_correct (the code was right)" == lines[-1]


def test_two_passes_are_named():
    first = REQUEST | {"second_factor": "two_pass"}
    second = first | {"steps": [{"name": "response", "after": 0.1}], "outcome": "accept", "reason": "code_correct"}

    lines = list(timeline("a1", [first, second]))

    assert lines[2].startswith("2026-11-26T13:50:11.383Z  request 7 from 192.0.2.1, first pass")
    assert "  -> Access-Reject that asks for password and code: call_placed (the provider accepted the call)" in lines
    assert "2026-11-26T13:50:11.383Z  request 7 from 192.0.2.1, second pass, Calling-Station-Id 198.51.100.9" in lines
    assert "  -> Access-Accept: code_correct (the code was right)" == lines[-1]
    assert NO_RESULT == list(timeline("a1", [first]))[-1]
