"""docs/gateways/freeradius-proxy.md: FreeRADIUS with the page's configuration, in front of two servers."""

import os
import re
from contextlib import suppress

import pytest

from radius_voice.radius import packet as radius
from tests.docs.pages import blocks
from tests.support.freeradius import SECRET, FreeRadiusProcess
from tests.support.network import free_port
from tests.support.node_process import NodeProcess
from tests.support.polling import wait_until
from tests.support.radius_test_client import RadiusTestClient
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.peer("freeradius")
PAGE = "docs/gateways/freeradius-proxy.md"
STATION = (radius.CALLING_STATION_ID, b"192.0.2.9")
SERVERS = "192.0.2.53", "192.0.2.54"
NODE = f"""\
server:
  listen: ["udp://ADDRESS:0"]
  key: a server key that both nodes have
  reject_delay: 0.2s
clients:
  proxy: {{address: 127.0.0.1, secret: "{SECRET}"}}
store: {{type: redis, servers: ["127.0.0.1:REDIS"]}}
"""
PROXY = """\
run_dir = "{directory}"
logdir = "{directory}"
proxy_requests = yes
cleanup_delay = 5
security {{
  status_server = yes
}}
thread pool {{
  start_servers = 2
  max_servers = 4
  min_spare_servers = 1
  max_spare_servers = 4
  max_requests_per_server = 0
}}
client gateways {{
  ipaddr = 127.0.0.1
  secret = "{secret}"
  require_message_authenticator = no
}}
modules {{
}}
{proxy}
server gateways {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {port}
  }}
{server}
}}
"""


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def nodes(simulator, user, tmp_path):
    redis = RedisServer(tmp_path / "redis")
    configuration = NODE.replace("REDIS", str(redis.port))
    nodes = []
    try:
        for name in "one", "two":
            (tmp_path / name).mkdir()
            nodes.append(NodeProcess(tmp_path / name, simulator, configuration, [user]))
        yield nodes
    finally:
        for node in nodes:
            node.kill()
        redis.close()


@pytest.fixture
def proxy(nodes, tmp_path):
    """FreeRADIUS with the page's configuration, except addresses, ports, the secret, and a shorter time window."""
    (proxy,), (server,) = blocks(PAGE, "freeradius"), blocks(PAGE, "unlang")
    for address, node in zip(SERVERS, nodes, strict=True):
        proxy = proxy.replace(f"{address}\n  port = 1812", f"{node.address}\n  port = {node.port}")
    proxy = proxy.replace("THE-SHARED-SECRET", f'"{SECRET}"')
    proxy, windows = re.subn("response_window = 5", "response_window = 1", proxy)
    assert 2 == windows
    directory = tmp_path / "proxy"
    directory.mkdir(mode=0o700)
    port = free_port()
    text = PROXY.format(directory=directory, secret=SECRET, port=port, proxy=proxy, server=server)
    process = FreeRadiusProcess(directory, port, text)
    yield process
    process.kill()


@pytest.fixture
def gateway(proxy):
    """A gateway behind the proxy, which waits for a response longer than the proxy does."""
    client = RadiusTestClient(proxy.port, secret=SECRET.encode())
    client.sock.settimeout(3)
    yield client
    client.close()


def test_a_login_passes_through_the_proxy(nodes, gateway, user):
    one, other = nodes
    challenge = gateway.start_login(user, STATION, signed=False)
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert [] == challenge.every(radius.PROXY_STATE)
    text = f"ACME VPN is calling your phone ending in {user.phone[-2:]}. Enter the code you hear:"
    assert text.encode() == challenge.first(radius.REPLY_MESSAGE)

    code = one.server.simulator.code(user.phone)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code, STATION).code
    assert ["call_placed", "code_correct"] == one.server.reasons(user)
    assert {"192.0.2.9"} == {record["calling_station_id"] for record in one.server.audit(kind="request")}
    assert [] == other.server.audit(kind="request")


@pytest.mark.skipif(not os.environ.get("RADIUS_VOICE_LONG"), reason="takes ten seconds: RADIUS_VOICE_LONG=1")
def test_the_other_server_accepts_the_code_after_the_one_that_called_has_failed(nodes, gateway, user, simulator):
    one, other = nodes
    challenge = gateway.start_login(user, STATION)
    assert radius.ACCESS_CHALLENGE == challenge.code
    one.kill()

    def is_accepted():
        """Whether a request gets an Access-Accept. The proxy gives no response to those that it sent to the failed server."""
        with suppress(TimeoutError):
            return radius.ACCESS_ACCEPT == gateway.respond(user, challenge, simulator.code(user.phone), STATION).code

    wait_until(is_accepted, "the proxy uses the other server")
    assert ["code_correct"] == other.server.reasons(user)
    assert 1 == len(simulator.calls(user.phone))
