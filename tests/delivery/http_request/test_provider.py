"""Requests to a gateway: what they contain, what its responses mean, and that none is sent twice."""

import base64
import logging
import socket

import pytest

from radius_voice.http_client import MAX_POST_RESPONSE_OCTETS, NOT_SENT_FIX
from radius_voice.login.deliveries.code_message import text_of
from radius_voice.login.deliveries.requests import Indeterminate, NotPlaced, NumberRejected, Placed
from radius_voice.login.model import Method
from tests.support.http_gateway import HttpGateway, send_response
from tests.support.tcp_listener import never_respond, reset_connection, send_octets

from .conftest import CODE, KEY, delivery

PLACED = Placed("", live=False)
KEPT_ALIVE = send_octets(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}")
METHODS = ("GET", "POST", "PUT")


def section_for(method, gateway):
    """A section with that method."""
    if method == "GET":
        return {"method": "GET", "url": f"{gateway.url}/send?to={{phone}}&text={{text}}"}
    return {"method": method}


def stop_in_body(connection):
    send_response(200, b'{"id": "1"', missing=500)(connection)
    never_respond(connection)


def send_noise(connection):
    connection.sendall(bytes(range(256)) * 20)


FAULTS_AFTER_THE_REQUEST = {
    "resets the connection": (reset_connection, "connection broke"),
    "closes the connection": (send_octets(b""), "connection broke"),
    "does not respond": (never_respond, "timed out"),
    "sends another protocol": (send_octets(b"220 mail.example ESMTP\r\n\r\n"), "response is not HTTP"),
    "sends garbage": (send_noise, "response is not HTTP"),
    "cuts the body": (send_response(200, b'{"id": "1"', missing=500), "response cut short"),
    "stops in the body": (stop_in_body, "timed out"),
    "sends an endless body": (send_response(200, b" " * 1_000_000), "response too long"),
}
STATUSES = {
    200: PLACED,
    202: PLACED,
    204: PLACED,
    301: NotPlaced,
    307: NotPlaced,
    400: NotPlaced,
    401: NotPlaced,
    403: NotPlaced,
    404: NotPlaced,
    408: Indeterminate("HTTP 408"),
    429: NotPlaced("HTTP 429"),
    500: Indeterminate("HTTP 500"),
    502: Indeterminate("HTTP 502"),
    503: Indeterminate("HTTP 503"),
    504: Indeterminate("HTTP 504"),
    599: Indeterminate("HTTP 599"),
    600: Indeterminate("HTTP 600"),
}


# Requests


async def test_the_request_has_the_method_url_headers_and_body_of_the_configuration(gateway, provider, soon):
    made = provider(
        method="PUT",
        url=f"{gateway.url}/v1/{{secret.account}}/{{phone_digits}}?lang={{language}}&plus=%2B&a[]=b/c",
        headers={"Authorization": "Bearer {secret.api_key}", "X-Id": "{request_id}"},
        content_type="json",
        body='{"to": "{phone}", "text": "{text}", "ring": {ring_timeout}, "how": "{method}", "from": "{friendly_name}"}',
        secrets={"api_key": KEY, "account": "a/b ü"},
    )
    assert PLACED == await made.place(delivery(friendly_name='A"B & Cö'), soon())
    (request,) = gateway.requests
    assert "PUT" == request.method
    assert "/v1/a%2Fb%20%C3%BC/14155550123?lang=en&plus=%2B&a[]=b/c" == request.target
    assert (f"Bearer {KEY}", 32) == (request.headers["authorization"], len(request.headers["x-id"]))
    assert "application/json" == request.headers["content-type"]
    text = text_of(delivery(friendly_name='A"B & Cö').message)
    expected = {"to": "+14155550123", "text": text, "ring": 25, "how": "sms", "from": 'A"B & Cö'}
    assert expected == request.json


async def test_a_get_request_has_its_values_in_the_url_and_no_body(gateway, provider, soon):
    made = provider(**section_for("GET", gateway))
    assert PLACED == await made.place(delivery(), soon())
    (request,) = gateway.requests
    assert {"to": "+14155550123", "text": text_of(delivery().message)} == request.query
    assert (b"", None) == (request.body, request.headers.get("content-type"))


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("form", "to={phone}&code={code}", "application/x-www-form-urlencoded"),
        ("json", '["{phone}", "{code}"]', "application/json"),
        ("xml", "<a to='{phone}'>{code}</a>", "application/xml; charset=utf-8"),
        ("text", "{phone} {code} ü", "text/plain; charset=utf-8"),
    ],
)
async def test_a_body_has_the_header_of_its_type(gateway, provider, soon, content_type, body, expected):
    await provider(content_type=content_type, body=body).place(delivery(), soon())
    assert expected == gateway.requests[0].headers["content-type"]


async def test_a_content_type_in_headers_replaces_that_of_the_body(gateway, provider, soon):
    await provider(headers={"content-type": "application/vnd.api+json"}).place(delivery(), soon())
    assert "application/vnd.api+json" == gateway.requests[0].headers["content-type"]


async def test_basic_authentication_is_sent(gateway, provider, soon):
    await provider(basic_auth={"username": "radius", "password": KEY}).place(delivery(), soon())
    expected = base64.b64encode(f"radius:{KEY}".encode()).decode()
    assert f"Basic {expected}" == gateway.requests[0].headers["authorization"]


async def test_every_request_has_another_id(gateway, provider, soon):
    made = provider(headers={"X-Id": "{request_id}"})
    for _ in range(3):
        await made.place(delivery(), soon())
    assert 3 == len({request.headers["x-id"] for request in gateway.requests})


async def test_a_text_message_and_a_call_have_their_own_text(gateway, provider, soon):
    made = provider(content_type="text", body="{method} {phone} {text}")
    await made.place(delivery(language="de"), soon())
    await made.place(delivery(language="de", method=Method.VOICE), soon())
    texted, spoken = (request.body.decode() for request in gateway.requests)
    assert f"sms +14155550123 {text_of(delivery(language='de').message)}" == texted
    assert spoken.startswith("voice +14155550123 Guten Tag.")
    assert 3 == spoken.count(" ".join(CODE))
    assert CODE not in spoken


async def test_the_digits_of_a_code_can_be_spaced(gateway, provider, soon):
    await provider(content_type="text", body="{phone} {code_spaced}").place(delivery(), soon())
    assert f"+14155550123 {' '.join(CODE)}".encode() == gateway.requests[0].body


async def test_a_sip_address_is_in_the_request(gateway, provider, soon):
    made = provider(
        methods=["voice"], content_type="text", body="{phone}{phone_digits}|{sip_address}|{sip_user}|{extension} {code}"
    )
    await made.place(delivery(phone="sip:Desk.One@pbx.example.org:5080", method=Method.VOICE), soon())
    await made.place(delivery(method=Method.VOICE), soon())
    assert [
        f"|sip:Desk.One@pbx.example.org:5080|Desk.One| {CODE}",
        f"+1415555012314155550123||| {CODE}",
    ] == [each.body.decode() for each in gateway.requests]


@pytest.mark.parametrize(
    ("body", "request_of", "problem"),
    [
        ("{phone} {code}", {"phone": "sip:3105@pbx.example.org"}, "no template has the SIP address"),
        ("{sip_user} {code}", {}, "no template has the phone number"),
        (
            "{phone}{sip_address} {code}",
            {"phone": "sip:3105@pbx.example.org", "method": Method.SMS},
            "a SIP address receives no text messages",
        ),
    ],
)
async def test_a_phone_of_a_kind_that_no_template_has_is_rejected(gateway, provider, soon, body, request_of, problem):
    made = provider(methods=["voice", "sms"], content_type="text", body=body)
    answer = await made.place(delivery(**{"method": Method.VOICE, **request_of}), soon())
    assert NumberRejected(f"not sent: {problem}", sent=False) == answer
    assert [] == gateway.requests


async def test_a_reference_with_the_user_of_a_sip_address_is_not_kept(gateway, provider, soon):
    gateway.respond = lambda _request: send_response(200, b'{"channel": "PJSIP/3105-00000001"}')
    made = provider(methods=["voice"], content_type="text", body="{sip_user} {code}", reference="channel")
    answer = await made.place(delivery(phone="sip:3105@pbx.example.org", method=Method.VOICE), soon())
    assert Placed("") == answer


async def test_an_extension_is_in_the_request(gateway, provider, soon):
    made = provider(content_type="text", body="{phone_digits},{extension} {code}")
    await made.place(delivery(extension="42"), soon())
    await made.place(delivery(), soon())
    assert [f"14155550123,42 {CODE}", f"14155550123, {CODE}"] == [each.body.decode() for each in gateway.requests]


async def test_a_number_with_an_extension_that_no_template_has_is_rejected(gateway, provider, soon):
    result = await provider().place(delivery(extension="42"), soon())
    assert NumberRejected("not sent: no template has the extension", sent=False) == result
    assert [] == gateway.requests


async def test_a_notice_without_a_code_needs_a_text(gateway, provider, soon):
    with_text, without = provider(), provider(content_type="text", body="{phone} {code}")
    assert PLACED == await with_text.place(delivery(code=""), soon())
    result = await without.place(delivery(code=""), soon())
    assert isinstance(result, NotPlaced)
    assert (True, False, True) == (result.alarm, result.sent, "{text}" in result.fix)
    assert 1 == len(gateway.requests)


async def test_a_passed_deadline_sends_nothing(gateway, provider, soon):
    assert NotPlaced("not sent: no time left", sent=False) == await provider().place(delivery(), soon(0))
    assert [] == gateway.requests


async def test_connections_are_kept_alive(provider, soon):
    with HttpGateway(lambda _request: KEPT_ALIVE, keep_alive=True) as gateway:
        made = provider(url=f"{gateway.url}/messages")
        for _ in range(3):
            assert PLACED == await made.place(delivery(), soon())
        await made.close()
        assert (3, 1) == (len(gateway.requests), gateway.connections)


async def test_a_gateway_has_no_account_and_no_calls_to_query(provider):
    made = provider()
    assert [] == await made.check_account()
    assert made.call_control is None


# Responses


@pytest.mark.parametrize("status", STATUSES)
async def test_a_status_without_a_rule_means_what_the_table_says(gateway, provider, soon, status):
    gateway.respond = lambda _request: send_response(status, b"")
    result = await provider().place(delivery(), soon())
    if STATUSES[status] is NotPlaced:
        assert isinstance(result, NotPlaced)
        assert (f"HTTP {status}", True) == (result.detail, result.alarm)
        assert result.fix
        assert (status == 401) is result.outage
    else:
        assert STATUSES[status] == result
    assert 1 == len(gateway.requests)


async def test_a_redirect_is_not_followed(gateway, provider, soon):
    location = f"HTTP/1.1 302 X\r\nLocation: {gateway.url}/elsewhere\r\nContent-Length: 0\r\n\r\n"
    gateway.respond = lambda _request: send_octets(location.encode())
    assert "HTTP 302" == (await provider().place(delivery(), soon())).detail
    assert ["/messages"] == [request.target for request in gateway.requests]


RULES = [
    {"status": [400, 404], "contains": "no such number", "result": "number_rejected"},
    {"status": "4xx", "contains": "credit", "result": "not_placed", "alarm": True},
    {"status": 503, "result": "not_placed"},
    {"status": "2xx", "field": "messages.0.status", "value": [0, "queued", True], "result": "placed"},
    {"field": "error.code", "value": 7, "result": "indeterminate"},
]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, b"there is no such number", NumberRejected("HTTP 404, responses[0]")),
        (402, b"no credit left", "responses[1]"),
        (503, b"", NotPlaced("HTTP 503, responses[2]")),
        (200, b'{"messages": [{"status": "queued", "id": "m-1"}]}', Placed("m-1", live=False)),
        (201, b'{"messages": [{"status": 0, "id": 17}]}', Placed("17", live=False)),
        (201, b'{"messages": [{"status": "0"}]}', PLACED),
        (201, b'{"messages": [{"status": true, "id": {}}]}', PLACED),
        (400, b'{"error": {"code": 7}}', Indeterminate("HTTP 400, responses[4]")),
        (405, b"no such number", "HTTP 405"),
        (500, b"", Indeterminate("HTTP 500")),
        (200, b'{"messages": [{"status": "failed"}]}', Indeterminate("HTTP 200, and no rule of responses applies")),
        (200, b'{"messages": []}', Indeterminate("HTTP 200, and no rule of responses applies")),
        (200, b'{"messages": {"0": 1}}', Indeterminate("HTTP 200, and no rule of responses applies")),
        (200, b'{"messages": [{"status": 0.0}]}', Indeterminate("HTTP 200, and no rule of responses applies")),
        (200, b"<html>Welcome</html>", Indeterminate("HTTP 200, and no rule of responses applies")),
        (200, b"[" * 50_000, Indeterminate("HTTP 200, and no rule of responses applies")),
        (200, b"9" * 50_000, Indeterminate("HTTP 200, and no rule of responses applies")),
    ],
)
async def test_the_first_rule_that_applies_says_what_a_response_means(gateway, provider, soon, status, body, expected):
    gateway.respond = lambda _request: send_response(status, body)
    result = await provider(responses=RULES, reference="messages.0.id").place(delivery(), soon())
    if isinstance(expected, str):
        assert isinstance(result, NotPlaced)
        assert expected in result.detail
        assert result.alarm
        assert result.fix
    else:
        assert expected == result


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        (b'{"id": "SM-1_2:3.4"}', "SM-1_2:3.4"),
        (b'{"id": 12345678901234567890}', "12345678901234567890"),
        (b'{"id": "x\\u001b[2J"}', ""),
        (b'{"id": "%b"}' % (b"A" * 129), ""),
        (f'{{"id": "x{CODE}x"}}'.encode(), ""),
        (f'{{"id": "x{CODE[:3]}-{CODE[3:]}"}}'.encode(), ""),
        (b'{"id": "to-14155550123"}', ""),
        (b'{"id": "to-001-415-555-0123"}', ""),
        (b'{"id": "local/5550123"}', ""),
        (b'{"id": null}', ""),
        (b'["id"]', ""),
        (b"id", ""),
    ],
)
async def test_a_reference_that_cannot_be_logged_is_not_kept(gateway, provider, soon, body, reference):
    gateway.respond = lambda _request: send_response(200, body)
    assert Placed(reference, live=False) == await provider(reference="id").place(delivery(), soon())


async def test_a_placed_call_is_live(provider, soon):
    assert Placed("", live=True) == await provider().place(delivery(method=Method.VOICE), soon())


# Faults


async def test_a_gateway_that_refuses_connections_was_not_sent_the_request(gateway, provider, soon):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        made = provider(url=f"http://127.0.0.1:{held.getsockname()[1]}/")
        expected = NotPlaced(
            "not sent: connection refused or host not reachable", outage=True, fix=NOT_SENT_FIX, sent=False
        )
        assert expected == await made.place(delivery(), soon())


async def test_a_name_that_cannot_be_resolved_was_not_sent_the_request(provider, soon):
    made = provider(url="https://nowhere.invalid/")
    result = await made.place(delivery(), soon())
    assert isinstance(result, NotPlaced)
    assert (True, False) == (result.outage, result.sent)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", FAULTS_AFTER_THE_REQUEST)
async def test_a_fault_after_the_request_is_indeterminate_and_one_request_is_sent(
    gateway, provider, soon, method, fault
):
    serve, detail = FAULTS_AFTER_THE_REQUEST[fault]
    gateway.respond = lambda _request: serve
    made = provider(**section_for(method, gateway), timeout="0.5s" if detail == "timed out" else "5s")
    assert Indeterminate(f"sent, then: {detail}") == await made.place(delivery(), soon())
    assert (1, 1) == (len(gateway.requests), gateway.connections)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", [send_octets(b""), never_respond])
async def test_a_fault_before_the_request_is_read_is_indeterminate_and_one_connection_is_opened(
    gateway, provider, soon, method, fault
):
    gateway.fault = fault
    made = provider(**section_for(method, gateway), timeout="0.5s" if fault is never_respond else "5s")
    assert isinstance(await made.place(delivery(), soon()), Indeterminate)
    assert 1 == gateway.connections


@pytest.mark.parametrize("method", METHODS)
async def test_a_reset_before_the_request_is_sent_or_read_opens_one_connection(gateway, provider, soon, method):
    gateway.fault = reset_connection
    result = await provider(**section_for(method, gateway)).place(delivery(), soon())
    assert isinstance(result, Indeterminate) or (isinstance(result, NotPlaced) and not result.sent)
    assert 1 == gateway.connections


@pytest.mark.parametrize("method", METHODS)
async def test_a_kept_connection_that_is_closed_is_indeterminate_and_no_request_is_repeated(provider, soon, method):
    with HttpGateway(lambda _request: KEPT_ALIVE, keep_alive=True) as gateway:
        made = provider(**{"url": f"{gateway.url}/messages", **section_for(method, gateway)})
        assert PLACED == await made.place(delivery(), soon())
        gateway.respond = lambda _request: lambda connection: connection.shutdown(socket.SHUT_RDWR)
        assert Indeterminate("sent, then: connection broke") == await made.place(delivery(), soon())
        await made.close()
        assert (2, 1) == (len(gateway.requests), gateway.connections)


async def test_a_slow_gateway_that_responds_in_time_has_placed(gateway, provider, soon):
    pieces = [b"HTTP/1.1 200 X\r\n", b"Content-Length: 2\r\n", b"\r\n{", b"}"]

    def send_slowly(connection):
        connection.settimeout(0.05)
        for piece in pieces:
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.sendall(piece)

    gateway.respond = lambda _request: send_slowly
    assert PLACED == await provider().place(delivery(), soon())


async def test_the_deadline_ends_a_request(gateway, provider, soon):
    gateway.respond = lambda _request: never_respond
    assert Indeterminate("sent, then: timed out") == await provider(timeout="60s").place(delivery(), soon(0.2))


async def test_the_longest_response_is_read(gateway, provider, soon):
    gateway.respond = lambda _request: send_response(200, b" " * MAX_POST_RESPONSE_OCTETS)
    assert PLACED == await provider().place(delivery(), soon())


# Secrets


async def test_code_phone_and_secrets_are_in_no_repr_result_or_log(gateway, provider, soon, caplog):
    caplog.set_level(logging.DEBUG)
    made = provider(
        method="GET",
        url=f"{gateway.url}/?to={{phone}}&text={{text}}&code={{code}}&key={{secret.api_key}}",
        headers={"X-Key": "{secret.api_key}"},
        secrets={"api_key": KEY},
        reference="text",
    )
    shown = [repr(made), repr(made._settings)]
    echo = f'{{"text": "{CODE} {KEY} +14155550123"}}'.encode()
    responses = [send_response(status, echo) for status in (200, 301, 400, 401, 500)]
    for response in (*responses, reset_connection, never_respond):
        gateway.respond = lambda _request, response=response: response
        shown.append(repr(await made.place(delivery(), soon(0.5))))
    for private in (CODE, KEY, "4155550123"):
        assert private not in " ".join(shown) + caplog.text
