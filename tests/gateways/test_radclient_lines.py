"""The radclient line of every page, sent to a server that has the clients of all pages, completes a login."""

import shutil
import subprocess
from typing import Any

import pytest
import yaml

from radius_voice.config.profiles import PROFILES
from tests.docs.pages import blocks, commands
from tests.support.provider_callbacks import callbacks_section
from tests.support.radclient import SIGNED, radclient
from tests.support.radius_test_client import SECRET
from tests.support.requirements import require

pytestmark = pytest.mark.peer("radclient")
PROBE_PASSWORD = "the password of the health checks"
BOOLEANS = {"true": True, "false": False}
NAMES = [*PROFILES]


def source(name):
    """The loopback address of the gateway of a page."""
    return f"127.0.1.{NAMES.index(name) + 1}"


def values(node):
    """YAML that was read as text only, with its booleans."""
    if isinstance(node, dict):
        return {key: values(value) for key, value in node.items()}
    return BOOLEANS.get(node, node) if isinstance(node, str) else node


def configuration(names):
    """The clients and policies of pages. Each client has its own address, and the secret of the tests."""
    clients: dict[str, Any] = {}
    policies: dict[str, Any] = {}
    for name in names:
        shown = values(yaml.load("".join(blocks(f"docs/gateways/{name}.md", "yaml")), Loader=yaml.BaseLoader))
        ((client, keys),) = shown["clients"].items()
        clients[client] = {**keys, "address": source(name), "secret": SECRET.decode()}
        if "password" in keys.get("probe", {}):
            clients[client]["probe"]["password"] = PROBE_PASSWORD
        policies |= shown.get("policies", {})
    server = {"listen": ["udp://127.0.0.1:0"], "reject_delay": "0.2s"}
    return yaml.safe_dump({"server": server, "clients": clients, "policies": policies})


def with_mode(mode):
    """The pages whose gateways have that second factor."""
    return [name for name in NAMES if mode == PROFILES[name].keys.get("second_factor", "challenge")]


@pytest.fixture(scope="module")
def users(make_user):
    return {name: make_user() for name in NAMES}


@pytest.fixture(scope="module")
def server(start_server, users):
    require("radclient", shutil.which("radclient"))
    with start_server(configuration([*with_mode("challenge"), *with_mode("two_pass")]), users.values()) as server:
        yield server


@pytest.fixture
def approving_server(start_server, users):
    require("radclient", shutil.which("radclient"))
    with start_server(configuration(with_mode("approve")) + callbacks_section(), users.values()) as server:
        yield server


@pytest.fixture
def ask(users):
    """Sends the attributes of a page's line, with the name of its user. The code and the attributes of the response."""

    def send(server, name, password, *more):
        (line,) = [line for line in commands(f"docs/gateways/{name}.md") if line.startswith("printf ")]
        shown = subprocess.run(["sh", "-c", line.split(" | ")[0]], capture_output=True, text=True, check=True).stdout
        attributes = shown.replace("alice", users[name].name).replace("the password", password).splitlines()
        return radclient(server, "auth", *attributes, f"Packet-Src-IP-Address = {source(name)}", *more)

    return send


@pytest.mark.parametrize("name", with_mode("challenge"))
def test_a_gateway_that_shows_challenges_gets_one_and_an_accept_for_the_code(server, ask, users, name):
    user = users[name]
    code, challenge = ask(server, name, user.password)
    assert "Access-Challenge" == code
    assert "Enter the code you hear:" in challenge["Reply-Message"]
    assert "Access-Accept" == ask(server, name, server.simulator.code(user.phone), f"State = {challenge['State']}")[0]


@pytest.mark.parametrize("name", with_mode("two_pass"))
def test_a_gateway_without_challenges_gets_an_accept_in_the_second_pass(server, ask, users, name):
    user = users[name]
    code, reject = ask(server, name, user.password)
    assert "Access-Reject" == code
    assert "Log in again with password,code" in reject["Reply-Message"]
    assert "Access-Accept" == ask(server, name, f"{user.password},{server.simulator.code(user.phone)}")[0]


@pytest.mark.parametrize("name", with_mode("approve"))
def test_a_gateway_without_a_field_for_codes_gets_an_accept_for_a_key(approving_server, ask, users, name):
    approving_server.simulator.set_phone(users[name].phone, keys="#")
    assert "Access-Accept" == ask(approving_server, name, "")[0]


@pytest.mark.parametrize(
    ("name", "response"), [("cisco-asa", "Access-Reject"), ("f5", "Access-Accept"), ("netscaler", "Access-Accept")]
)
def test_a_health_check_gets_a_response_without_a_call(server, name, response):
    attributes = 'User-Name = "health-check"', f'User-Password = "{PROBE_PASSWORD}"'
    calls = len(server.simulator.calls())
    code, _ = radclient(server, "auth", *attributes, SIGNED, f"Packet-Src-IP-Address = {source(name)}")
    assert response == code
    assert calls == len(server.simulator.calls())
    assert 1 == server.metric("radius_voice_probes_total", client=name.removeprefix("cisco-"))
