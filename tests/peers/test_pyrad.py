"""pyrad's client logs in: an independent reading of the RFCs, retransmissions included."""

from contextlib import contextmanager

import pytest
from pyrad import packet
from pyrad.client import Client
from pyrad.dictionary import Dictionary

from radius_voice.resources import shipped
from tests.support.radius_test_client import SECRET

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  pyrad: {address: 127.0.0.1, secret: a shared secret of the tests}
"""


@pytest.fixture
def user(make_user):
    return make_user(password="Grüße %s")


@pytest.fixture
def server(start_server, user):
    with start_server(CONFIGURATION, [user]) as server:
        yield server


@contextmanager
def connected(server, timeout=10):
    client = Client(
        server="127.0.0.1",
        authport=server.ports[0],
        secret=SECRET,
        dict=Dictionary(str(shipped("dictionaries") / "dictionary")),
        enforce_ma=True,
    )
    client.timeout = timeout
    yield client
    client._CloseSocket()


@pytest.fixture
def client(server):
    with connected(server) as client:
        yield client


def ask(client, name, password, **attributes):
    request = client.CreateAuthPacket(code=packet.AccessRequest, User_Name=name, **attributes)
    request["User-Password"] = request.PwCrypt(password)
    return client.SendPacket(request)


def test_pyrad_logs_in_by_challenge(server, client, user):
    challenge = ask(client, user.name, user.password)
    assert packet.AccessChallenge == challenge.code
    assert [f"ACME VPN is calling your phone ending in {user.phone[-2:]}. Enter the code you hear:"] == (
        challenge["Reply-Message"]
    )
    accept = ask(client, user.name, server.simulator.code(user.phone), State=challenge["State"][0])
    assert packet.AccessAccept == accept.code
    assert 1 == len(server.simulator.calls(user.phone))


def test_pyrad_is_rejected_with_a_wrong_password(client, user):
    assert packet.AccessReject == ask(client, user.name, "not the password").code


def test_pyrads_own_retransmissions_place_one_call(start_server, user, slow_simulator):
    with (
        start_server(CONFIGURATION, [user], simulator=slow_simulator) as server,
        connected(server, timeout=0.2) as client,
    ):
        client.retries = 40
        assert packet.AccessChallenge == ask(client, user.name, user.password).code
        assert server.metric("radius_voice_duplicates_total", client="pyrad") > 0
        assert 1 == len(slow_simulator.calls(user.phone))
