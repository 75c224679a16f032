"""docs/gateways/strongswan.md: IKEv1 and XAuth with the page's configuration, in network namespaces."""

import os

import pytest

from tests.docs.pages import blocks
from tests.support.network_namespace import RemoteNetwork, own_network
from tests.support.server_process import ServerProcess
from tests.support.simulator_process import SimulatorProcess
from tests.support.strongswan import StrongswanDaemon, require_strongswan

pytestmark = [
    pytest.mark.peer("strongswan"),
    pytest.mark.skipif(not os.environ.get("RADIUS_VOICE_LONG"), reason="takes half a minute: RADIUS_VOICE_LONG=1"),
]
PAGE = "docs/gateways/strongswan.md"
SECRET = "the-secret-of-strongswan"
CONFIGURATION = f"""\
server: {{listen: ["udp://127.0.0.1:1812"], reject_delay: 0.2s}}
clients:
  strongswan: {{address: 127.0.0.1, secret: "{SECRET}", profile: strongswan}}
"""


@pytest.fixture
def network():
    require_strongswan()
    with own_network():
        remote = RemoteNetwork()
        yield remote
        remote.close()


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def server(network, user, tmp_path):
    (tmp_path / "radius-voice").mkdir()
    with (
        SimulatorProcess() as simulator,
        ServerProcess(tmp_path / "radius-voice", simulator, CONFIGURATION, [user]) as server,
    ):
        yield server


@pytest.fixture
def laptop(server, network, tmp_path):
    """The client, whose gateway has the page's configuration, except the address and the secret."""
    (options,), (connections,) = blocks(PAGE, "strongswan"), blocks(PAGE, "swanctl")
    options = options.replace("192.0.2.53", "127.0.0.1").replace("THE-SHARED-SECRET", SECRET)
    gateway = StrongswanDaemon(tmp_path / "gateway", options)
    client = StrongswanDaemon(tmp_path / "client", prefix=network.prefix)
    gateway.load(connections)
    yield client
    client.close()
    gateway.close()


def test_an_ike_sa_is_established_by_two_passes(server, laptop, network, user):
    assert not laptop.log_in(user.name, user.password)
    assert laptop.log_in(user.name, f"{user.password},{server.simulator.code(user.phone)}")
    assert ["call_placed", "code_correct"] == server.reasons(user)
    assert {network.address} == {record["calling_station_id"] for record in server.audit(kind="request")}
    assert 1 == len(server.simulator.calls(user.phone))


def test_no_ike_sa_is_established_while_the_server_is_not_running(server, laptop, user):
    server.kill()
    assert not laptop.log_in(user.name, user.password)
