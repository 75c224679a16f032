"""pyrad's client logs in: an independent reading of the RFCs, retransmissions included."""

from contextlib import contextmanager

import pytest
from pyrad import packet
from pyrad.client import Client
from pyrad.dictionary import Dictionary

from radius_voice.resources import shipped
from tests.server.house import SECRET

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  pyrad: {address: 127.0.0.1, secret: a shared secret of the tests}
"""


@pytest.fixture
def person(make_person):
    return make_person(password="Grüße %s")


@pytest.fixture
def house(start, person):
    with start(CONFIGURATION, [person]) as house:
        yield house


@contextmanager
def connected(house, timeout=10):
    client = Client(
        server="127.0.0.1",
        authport=house.ports[0],
        secret=SECRET,
        dict=Dictionary(str(shipped("dictionaries") / "dictionary")),
        enforce_ma=True,
    )
    client.timeout = timeout
    yield client
    client._CloseSocket()


@pytest.fixture
def client(house):
    with connected(house) as client:
        yield client


def ask(client, name, password, **attributes):
    request = client.CreateAuthPacket(code=packet.AccessRequest, User_Name=name, **attributes)
    request["User-Password"] = request.PwCrypt(password)
    return client.SendPacket(request)


def test_pyrad_logs_in_by_challenge(house, client, person):
    challenge = ask(client, person.name, person.password)
    assert packet.AccessChallenge == challenge.code
    assert [f"ACME VPN is calling your phone ending in {person.phone[-2:]}. Enter the code you hear:"] == (
        challenge["Reply-Message"]
    )
    accept = ask(client, person.name, house.phones.code(person.phone), State=challenge["State"][0])
    assert packet.AccessAccept == accept.code
    assert 1 == len(house.phones.calls(person.phone))


def test_pyrad_is_rejected_with_a_wrong_password(client, person):
    assert packet.AccessReject == ask(client, person.name, "not the password").code


def test_pyrads_own_retransmissions_ring_once(start, person, slow_phones):
    with start(CONFIGURATION, [person], phones=slow_phones) as house, connected(house, timeout=0.2) as client:
        client.retries = 40
        assert packet.AccessChallenge == ask(client, person.name, person.password).code
        assert house.metric("radius_voice_duplicates_total", client="pyrad") > 0
        assert 1 == len(slow_phones.calls(person.phone))
