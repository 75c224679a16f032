import io
import logging

import pytest
import structlog
from twilio.http.http_client import TwilioHttpClient

import radius_voice.twilio.client  # noqa: F401 - it turns the SDK's log off
from radius_voice.observe.log import configure


@pytest.fixture
def stream():
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    stream = io.StringIO()
    configure("debug", "text", stream)
    yield stream
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    structlog.reset_defaults()


def test_twilios_log_of_headers_and_numbers_is_off(stream):
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
