"""An outage of one of two providers: logins are not delayed by it, and the administrator gets an alarm."""

import signal

import pytest

from radius_voice.login.deliveries.circuit_breaker import MAX_OUTAGES
from radius_voice.radius import packet as radius
from tests.support import server_process
from tests.support.tcp_listener import TcpListener, never_respond

FIRST = """\
    first:
      type: twilio-voice
      account_sid: AC00000000000000000000000000000000
      auth_token: simulated-token
      from: "+15005550006"
      base_url: http://127.0.0.1:{port}
      connect_timeout: 0.2s
      timeout: 0.5s
admin:"""
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.1s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
limits: {calls: {total: 100 per 1m, country: 100 per 1m, client: 100 per 1m}}
"""


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(MAX_OUTAGES + 2)]


@pytest.fixture(scope="module")
def first():
    listener = TcpListener(never_respond)
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def server(start_server, users, first):
    with pytest.MonkeyPatch.context() as patch:
        base = server_process.BASE_CONFIGURATION.replace("admin:", FIRST.format(port=first.port))
        base = base.replace("providers:", "voice: [first, twilio]\n  providers:")
        patch.setattr(server_process, "BASE_CONFIGURATION", base)
        with start_server(CONFIGURATION, users) as server:
            yield server


def providers_asked(server, user):
    session = server.audit(kind="request", user=user.name)[0]["session"]
    return [record["provider"] for record in server.audit(kind="delivery", session=session)]


def test_a_provider_that_times_out_is_skipped_after_several_logins(server, users, simulator):
    for user in users[:MAX_OUTAGES]:
        assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code
        assert (["first"], ["delivery_indeterminate"]) == (providers_asked(server, user), server.reasons(user))
    user = users[MAX_OUTAGES]
    client = server.client()
    challenge = client.start_login(user)
    assert (["twilio"], ["call_placed"]) == (providers_asked(server, user), server.reasons(user))
    assert radius.ACCESS_ACCEPT == client.respond(user, challenge, simulator.code(user.phone)).code
    (alarm,) = server.audit(kind="alarm", alarm="provider_outage")
    assert alarm["detail"].startswith(
        f"provider first failed {MAX_OUTAGES} times in a row, the last time with: sent, then: "
    )
    assert "alarm=provider_outage" in server.wait_for_line("provider_outage", server.stderr)
    assert 1 == server.metric("radius_voice_provider_skipped", provider="first")
    assert 0 == server.metric("radius_voice_provider_skipped", provider="twilio")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_line("reloaded", server.stderr)
    server.client().start_login(users[-1])
    assert ["twilio"] == providers_asked(server, users[-1]), "a reload keeps the state of the provider"
