"""Accounting by radclient of FreeRADIUS, which verifies the responses."""

import shutil

import pytest

from tests.support.radclient import SIGNED, radclient
from tests.support.requirements import require

pytestmark = pytest.mark.peer("radclient")

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], accounting: ["udp://127.0.0.1:0"]}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""


@pytest.fixture(scope="module")
def user(make_user):
    return make_user()


@pytest.fixture
def server(start_server, user):
    require("radclient", shutil.which("radclient"))
    with start_server(CONFIGURATION, [user]) as server:
        yield server


def test_radclient_reports_a_session_from_its_start_to_its_end(server, user):
    name, session = f'User-Name = "{user.name}"', 'Acct-Session-Id = "0000002A"'
    _, challenge = radclient(server, "auth", name, f'User-Password = "{user.password}"', SIGNED)
    code = f'User-Password = "{server.simulator.code(user.phone)}"'
    assert "Access-Accept" == radclient(server, "auth", name, code, f"State = {challenge['State']}", SIGNED)[0]
    traffic = ["Acct-Session-Time = 60", "Acct-Output-Octets = 17", "Acct-Output-Gigawords = 1"]
    attributes: dict[str, str] = {}
    for lines in (
        ["Acct-Status-Type = Start", "Framed-IP-Address = 10.0.0.9"],
        ["Acct-Status-Type = Interim-Update", *traffic],
        ["Acct-Status-Type = Stop", *traffic, "Acct-Terminate-Cause = User-Request", "Proxy-State = 0x31"],
    ):
        answer, attributes = radclient(server, "acct", name, session, *lines)
        assert "Accounting-Response" == answer
    assert {"Proxy-State": "0x31"} == attributes
    records = server.audit(kind="accounting", user=user.name, accounting_session="0000002A")
    assert ["start", "interim_update", "stop"] == [record["status"] for record in records]
    assert "10.0.0.9" == records[0]["framed_address"]
    last = {"session_seconds": 60, "output_octets": 2**32 + 17, "terminate_cause": "user_request"}
    assert last.items() <= records[-1].items()


def test_radclient_gets_no_response_with_another_secret(server):
    with pytest.raises(AssertionError, match="No reply"):
        radclient(server, "acct", "Acct-Status-Type = Start", secret="another secret", seconds=0.5)
    reason = {"client": "gateway", "reason": "bad_request_authenticator"}
    assert 1 == server.metric("radius_voice_discards_total", **reason)
