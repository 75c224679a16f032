"""FreeRADIUS's own client logs in: what it takes for an answer, gateways take too."""

import re
import shutil
import subprocess

import pytest

from tests.peers.needs import need
from tests.server.house import SECRET

pytestmark = pytest.mark.peer("radclient")

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  believer: {address: 127.0.0.1, secret: a shared secret of the tests, require_message_authenticator: auto}
policies:
  default: {reply: [{set: {Class: "OU=Staff"}}]}
"""
SIGNED = "Message-Authenticator = 0x00"


@pytest.fixture(scope="module")
def people(make_person):
    return [make_person() for _ in range(3)]


@pytest.fixture
def house(start, people):
    need("radclient", shutil.which("radclient"))
    with start(CONFIGURATION, people) as house:
        yield house


def radclient(house, command, *lines):
    """What radclient was told: the code and the attributes that it prints."""
    ended = subprocess.run(
        ["radclient", "-x", "-r", "1", "-t", "10", f"127.0.0.1:{house.ports[0]}", command, SECRET.decode()],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=20,
    )
    reply = ended.stdout.partition("Received ")[2]
    assert reply, ended.stdout + ended.stderr
    return reply.split()[0], dict(re.findall(r"^\t([\w-]+) = (.*)$", reply, re.MULTILINE))


@pytest.mark.parametrize("sign", [[SIGNED], []], ids=["signed", "unsigned"])
def test_radclient_logs_in_by_challenge(house, people, sign):
    person = people[0]
    name = f'User-Name = "{person.name}"'
    code, told = radclient(house, "auth", name, f'User-Password = "{person.password}"', *sign)
    assert "Access-Challenge" == code
    assert (
        f'"ACME VPN is calling your phone ending in {person.phone[-2:]}. Enter the code you hear:"'
        == (told["Reply-Message"])
    )
    assert "Echo" == told["Prompt"]
    assert "Message-Authenticator" in told
    heard = house.phones.code(person.phone)
    code, told = radclient(house, "auth", name, f'User-Password = "{heard}"', f"State = {told['State']}", *sign)
    assert "Access-Accept" == code
    assert "0x" + b"OU=Staff".hex() == told["Class"]


def test_radclient_is_rejected_with_a_wrong_password(house, people):
    code, told = radclient(house, "auth", f'User-Name = "{people[1].name}"', 'User-Password = "wrong"', SIGNED)
    assert ("Access-Reject", '"Login refused."') == (code, told["Reply-Message"])


def test_radclient_finds_chap_rejected_and_the_password_still_good(house, people):
    name = f'User-Name = "{people[2].name}"'
    assert "Access-Reject" == radclient(house, "auth", name, 'CHAP-Password = "whatever"', SIGNED)[0]
    code, _ = radclient(house, "auth", name, f'User-Password = "{people[2].password}"', SIGNED)
    assert "Access-Challenge" == code


def test_radclient_gets_its_status_server_answered(house):
    code, told = radclient(house, "status", SIGNED)
    assert ("Access-Accept", {"Message-Authenticator"}) == (code, set(told))
