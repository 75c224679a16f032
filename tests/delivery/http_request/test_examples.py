"""The examples of the documentation, each against a gateway that responds like the one that it is for."""

import json

import pytest
import yaml

from radius_voice.login.deliveries.code_message import text_of
from radius_voice.login.deliveries.requests import Indeterminate, NotPlaced, NumberRejected, Placed
from radius_voice.login.model import Method
from tests.docs.pages import blocks
from tests.support.http_gateway import send_response

from .conftest import CODE, KEY, delivery

PAGE = "docs/providers/http-request.md"
TEXT_MESSAGES, ASTERISK = (yaml.safe_load(block)["delivery"]["providers"] for block in blocks(PAGE, "yaml"))


@pytest.fixture
def example(gateway, provider):
    """Makes the provider of an example, with the URL of `gateway` and secrets of the test."""

    def make(section):
        scheme, _, rest = section["url"].partition("://")
        assert "https" == scheme
        changed = {**section, "url": f"{gateway.url}/{rest.partition('/')[2]}", "secrets": {}}
        changed["secrets"] = dict.fromkeys(section.get("secrets", {}), KEY)
        if "basic_auth" in section:
            changed["basic_auth"] = {**section["basic_auth"], "password": KEY}
        return provider(**changed)

    return make


def respond_with(status, value):
    body = json.dumps(value).encode()
    return lambda _request: send_response(status, body)


async def test_the_text_message_gateway_gets_the_message(gateway, example, soon):
    gateway.respond = respond_with(202, {"messages": [{"status": "queued", "id": "m-17"}]})
    result = await example(TEXT_MESSAGES["gateway"]).place(delivery(), soon())
    assert Placed("m-17", live=False) == result
    (request,) = gateway.requests
    assert ("POST", "/v1/messages", f"Bearer {KEY}") == (
        request.method,
        request.target,
        request.headers["authorization"],
    )
    (message,) = request.json["messages"]
    assert 32 == len(message.pop("id"))
    assert {"to": "+14155550123", "from": "ACME", "text": text_of(delivery().message)} == message


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (200, {"status": "rejected", "error": "invalid_number"}, NumberRejected("HTTP 200, responses[1]")),
        (400, {"error": "invalid_number"}, NumberRejected("HTTP 400, responses[1]")),
        (200, {"status": "unknown"}, Indeterminate("HTTP 200, and no rule of responses applies")),
        (503, {}, Indeterminate("HTTP 503")),
    ],
)
async def test_the_responses_of_the_text_message_gateway(gateway, example, soon, status, message, expected):
    gateway.respond = respond_with(status, {"messages": [message]})
    assert expected == await example(TEXT_MESSAGES["gateway"]).place(delivery(), soon())


async def test_a_text_message_gateway_without_credit_is_an_alarm(gateway, example, soon):
    gateway.respond = respond_with(200, {"messages": [{"status": "rejected", "error": "no_credit"}]})
    result = await example(TEXT_MESSAGES["gateway"]).place(delivery(), soon())
    assert isinstance(result, NotPlaced)
    assert result.alarm


CHANNEL = {"id": "abc1", "name": "PJSIP/trunk-00000000", "state": "Down", "language": "en", "caller": {"number": ""}}


async def test_asterisk_gets_the_request_for_a_channel(gateway, example, soon):
    gateway.respond = respond_with(200, CHANNEL)
    result = await example(ASTERISK["pbx"]).place(delivery(method=Method.VOICE, language="de"), soon())
    assert Placed("abc1", live=True) == result
    (request,) = gateway.requests
    assert ("POST", "/ari/channels") == (request.method, request.target)
    assert request.headers["authorization"].startswith("Basic ")
    channel = request.json
    assert 32 == len(channel.pop("channelId"))
    assert {
        "endpoint": "PJSIP/+14155550123@trunk",
        "callerId": "+15005550006",
        "timeout": 25,
        "context": "radius-voice",
        "extension": "s",
        "priority": 1,
        "variables": {"RADIUS_CODE": CODE, "RADIUS_LANGUAGE": "de"},
    } == channel


async def test_asterisk_gets_the_extension_of_a_phone(gateway, example, soon):
    gateway.respond = respond_with(200, CHANNEL)
    await example(ASTERISK["pbx"]).place(delivery(method=Method.VOICE, extension="42"), soon())
    assert "s42" == gateway.requests[0].json["extension"]


@pytest.mark.parametrize(
    ("status", "body", "outage", "detail"),
    [
        (401, {"message": "Authentication required"}, True, "HTTP 401"),
        (400, {"message": "Invalid endpoint specified"}, False, "HTTP 400"),
        (500, {"error": "Allocation failed"}, False, "HTTP 500, responses[1]"),
    ],
)
async def test_the_errors_of_asterisk_are_no_call_and_an_alarm(gateway, example, soon, status, body, outage, detail):
    gateway.respond = respond_with(status, body)
    result = await example(ASTERISK["pbx"]).place(delivery(method=Method.VOICE), soon())
    assert isinstance(result, NotPlaced)
    assert (True, outage, detail) == (result.alarm, result.outage, result.detail)
    assert result.fix
