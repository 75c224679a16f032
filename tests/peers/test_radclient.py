"""Logins by radclient of FreeRADIUS, which verifies replies as gateways do."""

import shutil

import pytest

from tests.support.radclient import SIGNED, radclient
from tests.support.requirements import require

pytestmark = pytest.mark.peer("radclient")

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  believer:
    address: 127.0.0.1
    secret: a shared secret of the tests
    require_message_authenticator: auto
    realms: {CORP: {}}
    probe: {user: health-check, response: accept, password: only for the health checks}
policies:
  default: {reply: [{set: {Class: "OU=Staff"}}]}
"""


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(3)]


@pytest.fixture
def server(start_server, users):
    require("radclient", shutil.which("radclient"))
    with start_server(CONFIGURATION, users) as server:
        yield server


@pytest.mark.parametrize("sign", [[SIGNED], []], ids=["signed", "unsigned"])
def test_radclient_logs_in_by_challenge(server, users, sign):
    user = users[0]
    name = f'User-Name = "{user.name}"'
    code, attributes = radclient(server, "auth", name, f'User-Password = "{user.password}"', *sign)
    assert "Access-Challenge" == code
    assert (
        f'"ACME VPN is calling your phone ending in {user.phone[-2:]}. Enter the code you hear:"'
        == (attributes["Reply-Message"])
    )
    assert "Echo" == attributes["Prompt"]
    assert "Message-Authenticator" in attributes
    spoken = server.simulator.code(user.phone)
    code, attributes = radclient(
        server, "auth", name, f'User-Password = "{spoken}"', f"State = {attributes['State']}", *sign
    )
    assert "Access-Accept" == code
    assert "0x" + b"OU=Staff".hex() == attributes["Class"]


def test_radclient_logs_in_with_a_realm(server, users):
    user, joined = users[0], f'User-Name = "corp\\\\{users[0].name}"'
    name, password = f'User-Name = "{user.name}@CORP"', f'User-Password = "{user.password}"'
    assert "Access-Challenge" == radclient(server, "auth", joined, password, SIGNED)[0]
    code, attributes = radclient(server, "auth", name, password, SIGNED)
    assert "Access-Challenge" == code
    answer = f'User-Password = "{server.simulator.code(user.phone)}"'
    assert "Access-Accept" == radclient(server, "auth", name, answer, f"State = {attributes['State']}", SIGNED)[0]
    typed = [record["typed_user"] for record in server.audit(kind="request", user=user.name)]
    assert [f"corp\\{user.name}", f"{user.name}@CORP", f"{user.name}@CORP"] == typed


def test_radclient_gets_health_checks_answered(server):
    name, before = 'User-Name = "health-check"', server.simulator.calls()
    code, attributes = radclient(server, "auth", name, 'User-Password = "only for the health checks"', SIGNED)
    assert ("Access-Accept", {"Message-Authenticator"}) == (code, set(attributes))
    assert "Access-Reject" == radclient(server, "auth", name, 'User-Password = "wrong"', SIGNED)[0]
    assert before == server.simulator.calls()


def test_radclient_gets_no_response_to_proxy_state_without_message_authenticator(start_server, users):
    require("radclient", shutil.which("radclient"))
    limited = CONFIGURATION.replace("authenticator: auto", "authenticator: no\n    limit_proxy_state: yes")
    lines = ['User-Name = "health-check"', 'User-Password = "only for the health checks"']
    with start_server(limited, users) as server:
        assert "Access-Accept" == radclient(server, "auth", *lines)[0]
        assert "0x31" == radclient(server, "auth", *lines, "Proxy-State = 0x31", SIGNED)[1]["Proxy-State"]
        with pytest.raises(AssertionError, match="No reply"):
            radclient(server, "auth", *lines, "Proxy-State = 0x31", seconds=0.5)
        assert 1 == server.metric("radius_voice_discards_total", client="believer", reason="unsigned_proxy_state")


def test_radclient_is_rejected_with_a_wrong_password(server, users):
    code, attributes = radclient(server, "auth", f'User-Name = "{users[1].name}"', 'User-Password = "wrong"', SIGNED)
    assert ("Access-Reject", '"Login refused."') == (code, attributes["Reply-Message"])


def test_radclient_gets_chap_rejected_and_the_password_is_still_valid(server, users):
    name = f'User-Name = "{users[2].name}"'
    assert "Access-Reject" == radclient(server, "auth", name, 'CHAP-Password = "whatever"', SIGNED)[0]
    code, _ = radclient(server, "auth", name, f'User-Password = "{users[2].password}"', SIGNED)
    assert "Access-Challenge" == code


def test_radclient_gets_a_response_to_status_server(server):
    code, attributes = radclient(server, "status", SIGNED)
    assert ("Access-Accept", {"Message-Authenticator"}) == (code, set(attributes))
