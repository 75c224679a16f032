"""Clients with the profile of a gateway, asked by FreeRADIUS's radclient."""

import shutil

import pytest

from tests.support.radclient import SIGNED, RadclientGateway, radclient
from tests.support.requirements import require

pytestmark = pytest.mark.peer("radclient")
F5, NETSCALER, STRONGSWAN = "127.0.0.1", "127.0.0.2", "127.0.0.3"
CONFIGURATION = """\
server: {listen: ["udp://0.0.0.0:0"], reject_delay: 0.2s}
clients:
  f5: {address: 127.0.0.1, secret: a shared secret of the tests, profile: f5, prompt_length: 75}
  netscaler: {address: 127.0.0.2, secret: a shared secret of the tests, profile: netscaler}
  strongswan: {address: 127.0.0.3, secret: a shared secret of the tests, profile: strongswan}
policies:
  default: {friendly_name: VPN des Büros Zürich}
"""


@pytest.fixture(scope="module")
def pool(make_user):
    require("radclient", shutil.which("radclient"))
    return [make_user() for _ in range(3)]


@pytest.fixture(scope="module")
def server(start_server, pool):
    with start_server(CONFIGURATION, pool) as server:
        yield server


@pytest.fixture
def user(pool):
    return pool.pop()


def test_a_prompt_has_the_length_and_the_characters_of_the_gateway(server, user):
    gateway = RadclientGateway(server, F5, user)
    code, shown = gateway.start()
    cut = f"VPN des Bueros is calling your phone ending in {user.phone[-2:]}. Enter the code you hear:"
    assert ("Access-Challenge", cut) == (code, shown)
    assert len(cut) <= 75
    code, shown = gateway.send("000000")
    assert ("Access-Challenge", "Wrong code, 2 attempts left. Enter the code you heard:") == (code, shown)
    assert "Access-Accept" == gateway.send(server.simulator.code(user.phone))[0]


def test_a_prompt_is_whole_at_a_gateway_without_limits(server, user):
    gateway = RadclientGateway(server, NETSCALER, user)
    code, shown = gateway.start()
    whole = f"VPN des Büros Zürich is calling your phone ending in {user.phone[-2:]}. Enter the code you hear:"
    assert ("Access-Challenge", whole) == (code, shown)


def test_two_passes_work_where_the_gateway_shows_no_challenge_and_the_port_of_the_caller_changes(server, user):
    def log_in(password, port):
        name, station = f'User-Name = "{user.name}"', f'Calling-Station-Id = "192.0.2.9[{port}]"'
        lines = (name, f'User-Password = "{password}"', station, SIGNED, f"Packet-Src-IP-Address = {STRONGSWAN}")
        return radclient(server, "auth", *lines)

    code, attributes = log_in(user.password, 4500)
    assert "Access-Reject" == code
    assert "Log in again with password,code" in attributes["Reply-Message"]
    assert "Access-Accept" == log_in(f"{user.password},{server.simulator.code(user.phone)}", 61324)[0]
    stations = {record["calling_station_id"] for record in server.audit(kind="request", user=user.name)}
    assert {"192.0.2.9"} == stations
