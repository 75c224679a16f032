"""Logins through a gateway of the administrator's own: a real server, and a gateway that keeps what it gets."""

import json
import re

import pytest

from radius_voice.radius import packet as radius
from tests.support import server_process
from tests.support.http_gateway import HttpGateway, send_response
from tests.support.tcp_listener import reset_connection

KEY = "a-key-of-the-gateway-that-stays-secret"
PASSWORD = "a-password-of-the-pbx-that-stays-secret"
BASE = f"""\
development: true
{server_process.IDENTITY}\
delivery:
  friendly_name: ACME VPN
  providers:
    gateway:
      type: http-request
      methods: [sms]
      url: GATEWAY/send?key={{secret.api_key}}
      secrets: {{api_key: {KEY}}}
      content_type: json
      body: '{{"to": "{{phone}}", "code": "{{code}}", "text": "{{text}}"}}'
      responses:
        - {{status: 2xx, field: status, value: queued, result: placed}}
        - {{status: 404, result: number_rejected}}
      reference: id
    pbx:
      type: http-request
      methods: [voice]
      url: GATEWAY/call
      basic_auth: {{username: radius-voice, password: {PASSWORD}}}
      content_type: form
      body: to={{phone_digits}}&digits={{code}}&seconds={{ring_timeout}}
admin: {{listen: "127.0.0.1:0"}}
"""
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.1s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, policy: text_message}
  phone-gateway: {address: 127.0.0.2, secret: a shared secret of the tests, policy: call}
policies:
  text_message: {methods: [sms]}
  call: {methods: [voice]}
"""


def respond(request):
    return send_response(200, b'{"status": "queued", "id": "m-17"}')


@pytest.fixture(scope="module")
def gateway():
    with HttpGateway(respond) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(8)]


@pytest.fixture(scope="module")
def unused_users(users):
    return iter(users)


@pytest.fixture
def user(unused_users, gateway):
    """A user who logs in. The gateway works again after the test."""
    yield next(unused_users)
    gateway.respond = respond


@pytest.fixture(scope="module")
def server(start_server, gateway, users):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_process, "BASE_CONFIGURATION", BASE.replace("GATEWAY", gateway.url))
        with start_server(CONFIGURATION, users, simulator="unused") as server:
            yield server
    written = "".join([*server.stdout, *server.stderr, (server.directory / "audit.jsonl").read_text()])
    codes = {json.loads(request.body)["code"] for request in gateway.requests if request.target.startswith("/send")}
    codes |= {request.form["digits"] for request in gateway.requests if request.target == "/call"}
    assert codes
    assert [] == [code for code in codes if re.search(rf"(?<![\w.]){code}(?!\w)", written)]
    assert [] == [secret for secret in (KEY, PASSWORD) if secret in written]


def requests_for(gateway, user):
    return [request for request in gateway.requests if user.phone.lstrip("+").encode() in request.body]


def test_a_code_of_a_text_message_is_accepted(server, gateway, user):
    client = server.client()
    challenge = client.start_login(user)
    assert radius.ACCESS_CHALLENGE == challenge.code
    (request,) = requests_for(gateway, user)
    assert f"/send?key={KEY}" == request.target
    assert request.json["code"] in request.json["text"]
    assert radius.ACCESS_ACCEPT == client.respond(user, challenge, request.json["code"]).code
    (delivery,) = server.audit(kind="delivery", session=server.audit(user=user.name)[0]["session"])
    assert ("gateway", "placed", "m-17") == (delivery["provider"], delivery["result"], delivery["reference"])


def test_a_retransmission_sends_no_second_text_message(server, gateway, user):
    client = server.client()
    client.start_login(user)
    assert radius.ACCESS_CHALLENGE == client.start_login(user).code
    assert 1 == len(requests_for(gateway, user))


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        (reset_connection, "sent, then: connection broke"),
        (send_response(500, b""), "HTTP 500"),
        (send_response(200, b"<html>"), "HTTP 200, and no rule of responses applies"),
    ],
)
def test_a_text_message_that_may_be_sent_is_not_sent_again(server, gateway, user, response, detail):
    gateway.respond = lambda _request: response
    client = server.client()
    challenge = client.start_login(user)
    (request,) = requests_for(gateway, user)
    (delivery,) = server.audit(kind="delivery", session=server.audit(user=user.name)[0]["session"])
    assert ("indeterminate", detail) == (delivery["result"], delivery["detail"])
    assert radius.ACCESS_ACCEPT == client.respond(user, challenge, request.json["code"]).code
    assert 1 == len(requests_for(gateway, user))


def test_a_number_that_the_gateway_rejects_is_a_reject(server, gateway, user):
    gateway.respond = lambda _request: send_response(404, b"")
    assert radius.ACCESS_REJECT == server.client().start_login(user).code
    assert ["number_rejected"] == server.reasons(user)


def test_a_code_of_a_call_is_accepted_and_the_user_is_busy_until_the_call_must_be_over(server, gateway, user):
    client = server.client("127.0.0.2")
    challenge = client.start_login(user)
    (request,) = requests_for(gateway, user)
    assert "30" == request.form["seconds"]
    redial = client.respond(user, challenge, "phone")
    assert radius.ACCESS_CHALLENGE == redial.code
    assert radius.ACCESS_ACCEPT == client.respond(user, redial, request.form["digits"]).code
    assert radius.ACCESS_REJECT == server.client().start_login(user).code
    assert ["call_placed", "redial_unavailable", "code_correct", "busy"] == server.reasons(user)
    assert [] == [line for line in server.stderr if "could not be ended" in line]
    assert 1 == len(requests_for(gateway, user))
