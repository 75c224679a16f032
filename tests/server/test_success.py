"""Deliveries stop when too few of them end in a right code, at all workers of a server."""

import pytest

from radius_voice.radius import packet as radius
from tests.support import server_process
from tests.support.polling import wait_until

TEXTS = """\
    texts:
      type: twilio-sms
      account_sid: AC00000000000000000000000000000000
      auth_token: simulated-token
      from: "+15005550006"
      base_url: SIMULATOR
admin:"""
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}
policies:
  default: {methods: [sms]}
limits:
  success: {calls: 10, users: 10}
"""


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(13)]


def alarms(server):
    return server.metric("radius_voice_alarms_total", alarm="toll_fraud_suspected")


def test_users_whose_phone_is_pinned_are_called_while_others_are_rejected(start_server, users, monkeypatch):
    base = server_process.BASE_CONFIGURATION.replace("admin:", TEXTS)
    monkeypatch.setattr(server_process, "BASE_CONFIGURATION", base)
    pinned, *attacked, new, other = users
    with start_server(CONFIGURATION, users) as server:
        gateway = server.client()
        challenge = gateway.start_login(pinned)
        code = server.simulator.texted_code(pinned.phone)
        assert radius.ACCESS_ACCEPT == gateway.respond(pinned, challenge, code).code

        for user in attacked:
            assert radius.ACCESS_CHALLENGE == gateway.start_login(user).code
        wait_until(lambda: alarms(server) == 1, "the alarm is raised")
        assert [radius.ACCESS_REJECT] * 2 == [gateway.start_login(user).code for user in (new, other)]
        (first, second) = server.audit(reason="toll_fraud_suspected")
        assert {"limits.success.calls"} == {first["rule"], second["rule"]}
        (alarm,) = server.audit(kind="alarm")
        assert "deliveries to US are rejected for 60 minutes, except to pinned phones" in alarm["detail"]
        assert 1 == alarms(server)
        assert radius.ACCESS_CHALLENGE == gateway.start_login(pinned).code
