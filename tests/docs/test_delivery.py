"""The tables of error codes on the pages about providers are those of the code."""

import re

import pytest

from radius_voice.delivery.twilio_sms.provider import REFUSALS as OF_MESSAGES
from radius_voice.delivery.twilio_verify.provider import REFUSALS as OF_VERIFICATIONS
from radius_voice.delivery.twilio_voice.provider import REFUSALS as OF_CALLS
from radius_voice.login.deliveries.requests import NumberRejected
from tests.docs.pages import text
from tests.support.matching import search

PAGES = {
    "docs/providers/twilio-voice.md": OF_CALLS,
    "docs/providers/twilio-sms.md": OF_MESSAGES,
    "docs/providers/twilio-verify.md": OF_VERIFICATIONS,
}
ROW = re.compile(r"^\| (\d[^|]*) \| ([^|]+) \| (yes)? ?\| ([^|]*)\|$", re.MULTILINE)


def described(answer):
    """How a page describes the result of an error code."""
    kind = "the number is rejected" if isinstance(answer, NumberRejected) else "not"
    return kind, getattr(answer, "outage", False), answer.alarm


@pytest.mark.parametrize("page", PAGES)
def test_every_error_code_is_on_its_page_with_its_result(page):
    shown = {
        int(code): (search("^(the number is rejected|not)", result)[1], "an outage" in result, alarm == "yes")
        for codes, result, alarm, _ in ROW.findall(text(page))
        for code in re.findall(r"\b\d{5}\b|\b429\b", codes)
    }
    assert {code: described(answer) for code, answer in PAGES[page].items()} == shown
