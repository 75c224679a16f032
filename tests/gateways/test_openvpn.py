"""docs/gateways/openvpn.md: tunnels with the page's configuration of OpenVPN and its plugin, in network namespaces."""

import os
import re

import pytest

from tests.docs.pages import blocks
from tests.support.network_namespace import RemoteNetwork, own_network
from tests.support.openvpn import OpenvpnServer, require_openvpn
from tests.support.server_process import ServerProcess
from tests.support.simulator_process import SimulatorProcess

pytestmark = [
    pytest.mark.peer("openvpn"),
    pytest.mark.skipif(not os.environ.get("RADIUS_VOICE_LONG"), reason="takes half a minute: RADIUS_VOICE_LONG=1"),
]
PAGE = "docs/gateways/openvpn.md"
SECRET = "the-secret-of-openvpn"
CONFIGURATION = f"""\
server: {{listen: ["udp://127.0.0.1:1812"], accounting: ["udp://127.0.0.1:1813"], reject_delay: 0.2s}}
clients:
  openvpn:
    address: 127.0.0.1
    secret: "{SECRET}"
    second_factor: two_pass
    require_message_authenticator: no
policies:
  default: {{reply: [{{set: {{Framed-IP-Address: 10.8.0.33}}}}]}}
"""


@pytest.fixture
def network():
    with own_network():
        remote = RemoteNetwork()
        yield remote
        remote.close()


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(3)]


@pytest.fixture
def server(network, users, tmp_path):
    require_openvpn()
    (tmp_path / "radius-voice").mkdir()
    with (
        SimulatorProcess() as simulator,
        ServerProcess(tmp_path / "radius-voice", simulator, CONFIGURATION, users) as server,
    ):
        yield server


@pytest.fixture
def openvpn(server, tmp_path):
    """OpenVPN with the page's configuration, except paths, the address and the secret."""
    (options,), (plugin_options,) = blocks(PAGE, "openvpn"), blocks(PAGE, "radiusplugin")
    directory = tmp_path / "openvpn"
    directory.mkdir()
    options = re.sub(r"/etc/openvpn/radiusplugin\.cnf", f"{directory}/plugin.cnf", options)
    options = re.sub(r"/run/openvpn|/etc/openvpn", str(directory), options)
    plugin_options = plugin_options.replace("/etc/openvpn/server.conf", f"{directory}/server.conf")
    plugin_options = plugin_options.replace("192.0.2.53", "127.0.0.1").replace("THE-SHARED-SECRET", SECRET)
    process = OpenvpnServer(directory, options, plugin_options)
    yield process
    process.close()


def test_a_tunnel_is_established_by_two_passes_and_outlives_new_keys(server, openvpn, network, users):
    user = users[0]
    first = openvpn.connect(network, user.name, user.password)
    first.wait_for("AUTH_FAILED")
    code = server.simulator.code(user.phone)
    client = openvpn.connect(network, user.name, f"{user.password},{code}")
    client.wait_for("Initialization Sequence Completed")
    assert "10.8.0.33/24" in network.run("ip", "-brief", "address", "show", "type", "tun")
    client.wait_for("Outgoing Data Channel", times=3)
    assert client.process.poll() is None
    client.close()
    assert ["call_placed", "code_correct"] == server.reasons(user)
    assert {network.address} == {record["calling_station_id"] for record in server.audit(kind="request")}
    assert 1 == len(server.simulator.calls(user.phone))
    assert ["start"] == [record["status"] for record in server.audit(kind="accounting")]


def test_a_wrong_code_establishes_no_tunnel(server, openvpn, network, users):
    user = users[1]
    openvpn.connect(network, user.name, user.password).wait_for("AUTH_FAILED")
    code = server.simulator.code(user.phone)
    wrong = openvpn.connect(network, user.name, f"{user.password},{(int(code) + 1) % 10**6:06}")
    wrong.wait_for("AUTH_FAILED")
    assert ["call_placed", "wrong_code"] == server.reasons(user)


def test_no_tunnel_is_established_while_the_server_does_not_respond(server, openvpn, network, users):
    server.kill()
    client = openvpn.connect(network, users[2].name, users[2].password)
    client.wait_for("AUTH_FAILED")
