"""What a service opens is closed when it stops and when it cannot start, in reverse order."""

import asyncio
import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from radius_voice import control
from radius_voice.control import ControlServer, ControlSocket
from radius_voice.http.admin import Admin
from radius_voice.identity.passwords import CHEAPEST, hash_password
from radius_voice.login.codes.keys import Keys
from radius_voice.login.model import Unavailable, User
from radius_voice.observe.audit import AuditLog
from radius_voice.service import service
from radius_voice.service.service import CannotStart, Worker, start
from radius_voice.stores.memory import MemoryStore
from radius_voice.transports.udp import UdpListener, bind
from radius_voice.wiring.adapters import load
from radius_voice.wiring.generation import build

CONFIGURATION = """\
development: true
server: {listen: ["udp://127.0.0.1:PORT"], state: state}
admin: {listen: "127.0.0.1:0"}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
identity:
  people: {type: users_file, path: users.yaml}
delivery:
  voice: [fixed]
  friendly_name: ACME VPN
  providers:
    fixed: {type: fixed, code: "123456"}
store: {type: memory}
audit: {path: audit.jsonl}
"""
REPLY = """\
policies:
  default:
    reply:
      - {set: {Session-Timeout: 3600}}
      - {when: {group: staff}, set: {Class: "OU=Staff", MS-Primary-DNS-Server: 192.0.2.53}}
"""


@pytest.fixture
def write(tmp_path):
    """Writes a configuration with one user, and returns its path."""

    def written(text):
        users = tmp_path / "users.yaml"
        users.write_text(json.dumps({"alice": {"password": hash_password("x", CHEAPEST), "phones": ["+12025550123"]}}))
        users.chmod(0o600)
        path = tmp_path / "radius-voice.yaml"
        path.write_text(text)
        return path

    return written


@pytest.fixture
def closed(monkeypatch):
    """The names of what has been closed, in order."""
    names = []

    def watch(owner, method, name):
        close = getattr(owner, method)

        def watched(self):
            names.append(name)
            return close(self)

        monkeypatch.setattr(owner, method, watched)

    watch(ControlSocket, "release", "state directory")
    watch(AuditLog, "close", "audit log")
    watch(MemoryStore, "close", "store")
    watch(Admin, "stop", "admin listener")
    watch(ControlServer, "stop", "control socket")
    watch(UdpListener, "close", "UDP listener")
    return names


async def test_a_service_that_stops_closes_everything_in_reverse_order(write, closed):
    path = write(CONFIGURATION.replace("PORT", "0"))
    running = await start(path, load(path))
    assert [] == closed
    await running.stop()
    expected = ["UDP listener", "control socket", "admin listener", "store", "audit log", "state directory"]
    assert expected == closed


async def test_a_start_that_fails_at_a_port_closes_everything_opened_before_it(write, closed):
    with bind("127.0.0.1", 0) as taken:
        path = write(CONFIGURATION.replace("PORT", str(taken.getsockname()[1])))
        with pytest.raises(CannotStart, match=r"server\.listen: .* another process has this port"):
            await start(path, load(path))
        assert ["admin listener", "store", "audit log", "state directory"] == closed
        assert "stopped" not in (path.parent / "audit.jsonl").read_text()
    running = await start(path, load(path))
    await running.stop()


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("claim", []),
        ("Reporter", ["state directory"]),
        ("open_store", ["audit log", "state directory"]),
        ("build", ["store", "audit log", "state directory"]),
    ],
)
async def test_a_start_that_fails_at_any_step_closes_everything_opened_before_it(
    write, closed, monkeypatch, step, expected
):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service, step, fail)
    path = write(CONFIGURATION.replace("PORT", "0"))
    with pytest.raises(CannotStart, match="No space left"):
        await start(path, load(path))
    assert expected == closed


async def test_a_second_listen_address_that_fails_closes_the_first(write, closed):
    with bind("127.0.0.1", 0) as taken, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        both = f'{port}", "udp://127.0.0.1:{taken.getsockname()[1]}'
        path = write(CONFIGURATION.replace("PORT", both))
        with pytest.raises(CannotStart, match="another process has this port"):
            await start(path, load(path))
        bind("127.0.0.1", port).close()


@pytest.fixture
def worker(tmp_path):
    """The second of several processes; the parent has made the state directory."""
    (tmp_path / "state").mkdir(mode=0o700)
    with bind("127.0.0.1", 0) as sock:
        yield Worker(1, [sock], tmp_path / "admin.sock", lambda: 3, tmp_path)


async def get(path, target):
    """The octets of the response that the admin listener on a local socket gives."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_worker_serves_the_sockets_and_the_admin_path_that_it_is_given(write, closed, worker):
    path = write(CONFIGURATION.replace("PORT", "0"))
    records: list[Any] = []
    port = worker.sockets[0].getsockname()[1]
    running = await start(path, load(path), log=records.append, worker=worker)
    assert [port] == running.ports
    assert f"worker 1: RADIUS on udp 127.0.0.1 port {port}" in [getattr(record, "detail", "") for record in records]
    assert b'"ready": true' in await get(worker.admin, "/readyz")
    assert b"radius_voice_worker_deaths_total 3.0" in await get(worker.admin, "/metrics")
    await running.stop()
    assert ["UDP listener", "admin listener", "store", "audit log"] == closed


async def test_operators_ask_the_running_service(write, tmp_path):
    path = write(CONFIGURATION.replace("PORT", "0"))
    running = await start(path, load(path))
    state = tmp_path / "state"

    async def ask(command, **arguments):
        return await asyncio.to_thread(control.ask, state, command, **arguments)

    status = await ask("status")
    assert [["127.0.0.1", running.ports[0]]] == status["listen"]
    assert str(path) == status["config"]
    assert "alice" == (await ask("unlock", name="Alice"))["user"]
    await running.stop()
    assert '"unlocked"' in (tmp_path / "audit.jsonl").read_text()


async def test_readiness_names_a_store_that_cannot_be_written(write, monkeypatch, worker):
    async def full(*_):
        raise Unavailable("store", "the disk is full")

    path = write(CONFIGURATION.replace("PORT", "0"))
    running = await start(path, load(path), worker=worker)
    monkeypatch.setattr(MemoryStore, "put", full)
    response = await get(worker.admin, "/readyz")
    assert b" 503 " in response
    assert b'"store": "the disk is full"' in response
    await running.stop()


def test_reply_attributes_are_encoded_when_the_configuration_is_loaded(write):
    path = write(CONFIGURATION.replace("PORT", "0") + REPLY)
    shared: Any = SimpleNamespace(
        keys=Keys(b"k" * 32), store=None, hasher=None, observer=None, clock=None, warn=None, key=b"k" * 32, copies=None
    )
    policy = build(load(path).settings, shared).flow._dependencies.policies["default"]
    hour = (27, (3600).to_bytes(4))
    dns = (26, (311).to_bytes(4) + b"\x1c\x06" + bytes((192, 0, 2, 53)))
    assert (hour,) == policy.rules.reply_to(User("1", "alice"))
    assert (hour, (25, b"OU=Staff"), dns) == policy.rules.reply_to(User("2", "bob", groups=frozenset({"staff"})))
