"""A failing start: its messages, its files, and that no service runs twice."""

import json
import os
import re
import signal
import socket

import pytest

from radius_voice.radius import packet as radius
from tests.support.network import free_port
from tests.support.polling import wait_until
from tests.support.program_process import ProgramProcess
from tests.support.server_process import ServerProcess, WorkersProcess, first_url, write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
BY_WORKERS = CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay")


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def elsewhere(tmp_path, simulator, user):
    """Writes another configuration in its own directory, and therefore with its own state directory."""

    def write(configuration):
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        return write_configuration(folder, simulator, configuration, [user])

    return write


def refused(path):
    """The standard error of a `serve` that does not start."""
    with ProgramProcess("serve", "--config", path) as second:
        assert 1 == second.wait()
    said = "".join(second.stderr)
    assert "Traceback" not in said
    assert "stopped" not in said
    return said


@pytest.mark.parametrize("first", [CONFIGURATION, BY_WORKERS])
@pytest.mark.parametrize("second", [CONFIGURATION, BY_WORKERS])
def test_a_second_service_on_the_same_port_is_refused(simulator, tmp_path, user, elsewhere, first, second):
    port = free_port()
    kind = ServerProcess if first is CONFIGURATION else WorkersProcess
    server = kind(tmp_path, simulator, first.replace("127.0.0.1:0", f"127.0.0.1:{port}"), [user])
    said = refused(elsewhere(second.replace("127.0.0.1:0", f"127.0.0.1:{port}")))
    expected = (
        f"Error: server.listen: 127.0.0.1:{port}: Address already in use; "
        f"another process has this port; find it with: ss -lnup 'sport = :{port}'\n"
    )
    assert expected == said
    assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code, "the first one serves on"
    assert 0 == server.stop()


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_a_second_service_in_the_same_state_directory_is_refused(simulator, tmp_path, user, configuration):
    kind = ServerProcess if configuration is CONFIGURATION else WorkersProcess
    server = kind(tmp_path, simulator, configuration, [user])
    said = refused(server.path)
    running = f"a radius-voice service with this state directory is running already (process {server.process.pid})"
    assert f"Error: server.state: {tmp_path / 'state'}: {running}; stop it" in said
    assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code
    assert 0 == server.stop()


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_a_service_starts_after_one_that_was_killed(simulator, tmp_path, user, configuration):
    kind = ServerProcess if configuration is CONFIGURATION else WorkersProcess
    kind(tmp_path, simulator, configuration, [user]).kill()
    server = kind(tmp_path, simulator, configuration, [user])
    assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code
    assert 0 == server.stop()
    assert not (tmp_path / "state" / "control.sock").exists()


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_a_failed_start_logs_no_stopped_line(elsewhere, configuration):
    path = elsewhere(configuration.replace("udp://127.0.0.1:0", "udp://192.0.2.1:1812"))
    said = refused(path)
    expected = "server.listen: 192.0.2.1:1812: Cannot assign requested address; this machine has no such address"
    assert f"Error: {expected}" in said
    audit = path.parent / "audit.jsonl"
    assert "" == (audit.read_text() if audit.exists() else "")


def test_an_ipv6_address_without_ipv6_support_and_other_causes_have_their_own_hint():
    from radius_voice.config.addresses import Endpoint
    from radius_voice.endpoints import cannot_bind

    hints = {
        97: "Address family not supported by protocol; IPv6 is off on this machine",
        98: "Address already in use; another process has this port",
        99: "Cannot assign requested address; this machine has no such address",
        13: "Permission denied; ports below 1024 need a privilege",
        22: "Invalid argument; write another address",
    }
    for number, hint in hints.items():
        problem = OSError(number, "as uvloop words it")
        assert f"server.listen: [::1]:1: {hint}" in cannot_bind("server.listen", Endpoint("::1", 1), problem)


@pytest.mark.parametrize("workers", [False, True])
def test_every_line_of_a_json_log_is_json(simulator, tmp_path, user, workers):
    configuration = (BY_WORKERS if workers else CONFIGURATION) + "log: {level: debug, format: json}\n"
    server = (WorkersProcess if workers else ServerProcess)(tmp_path, simulator, configuration, [user])
    server.client().start_login(user)
    if isinstance(server, WorkersProcess):
        for pid in server.children():
            os.kill(pid, signal.SIGKILL)
        server.wait_for_line("metrics of all workers", server.stderr, times=2)
        for number in range(2):
            server.wait_for_line(f"worker {number}: RADIUS", server.stderr, times=2)
    server.send_signal(signal.SIGHUP)
    server.wait_for_line('"reloaded"', server.stderr)
    if workers:
        server.admin = first_url(server.wait_for_line("metrics of all workers", server.stderr, times=2))
    assert 0 == server.stop()
    assert {"started", "reloaded", "stopped"} <= {json.loads(line)["event"] for line in server.stderr if line}


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_a_failed_start_is_logged_as_json(elsewhere, configuration):
    wrong = configuration.replace("udp://127.0.0.1:0", "udp://192.0.2.1:1812") + "log: {format: json}\n"
    (line,) = refused(elsewhere(wrong)).splitlines()
    result = json.loads(line)
    assert ("cannot_start", "error") == (result["event"], result["level"])
    assert result["detail"].startswith("server.listen: 192.0.2.1:1812: Cannot assign requested address")


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_an_admin_port_in_use_is_reported_with_its_protocol(elsewhere, configuration):
    path = elsewhere(configuration)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path.write_text(
            path.read_text().replace('admin: {listen: "127.0.0.1:0"}', f'admin: {{listen: "127.0.0.1:{port}"}}')
        )
        said = refused(path)
    expected = f"admin.listen: 127.0.0.1:{port}: Address already in use; another process has this port; find it with:"
    assert f"Error: {expected} ss -lntp 'sport = :{port}'\n" in said


@pytest.mark.parametrize("configuration", [CONFIGURATION, BY_WORKERS])
def test_a_callback_port_in_use_is_reported_with_its_protocol(elsewhere, configuration):
    path = elsewhere(configuration)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        section = f'callbacks: {{listen: "127.0.0.1:{port}", public_url: "http://127.0.0.1:{port}"}}\n'
        path.write_text(path.read_text() + section)
        said = refused(path)
    expected = f"callbacks.listen: 127.0.0.1:{port}: Address already in use; another process has this port"
    assert f"Error: {expected}; find it with: ss -lntp 'sport = :{port}'\n" in said


def test_the_local_socket_outlives_the_process_that_serves_it(simulator, tmp_path, user):
    server = WorkersProcess(tmp_path, simulator, BY_WORKERS, [user])
    for pid in server.children():
        os.kill(pid, signal.SIGKILL)
    with ProgramProcess("users", "unlock", "--config", server.path, user.name) as unlock:
        assert 0 == unlock.wait(), unlock.stderr
    server.wait_for_line("metrics of all workers", server.stderr, times=2)
    (record,) = server.audit(kind="operator")
    assert (user.name, os.getuid()) == (record["user"], record["uid"])
    again = server.wait_for_line("metrics of all workers", server.stderr, times=2)
    server.admin = first_url(again)
    for number in range(2):
        server.wait_for_line(f"worker {number}: RADIUS", server.stderr, times=2)
    assert 0 == server.stop()


def test_workers_serve_operator_commands_with_the_last_loaded_configuration(simulator, tmp_path, make_user):
    alice, bob = make_user(), make_user()
    server = WorkersProcess(
        tmp_path, simulator, BY_WORKERS + "limits: {wrong_codes: {user: 1 per 24h}}\n", [alice, bob]
    )
    gateway = server.client()
    challenge = gateway.respond(alice, gateway.start_login(alice), "wrong")
    gateway.respond(alice, challenge, server.simulator.code(alice.phone))
    assert "locked" == server.reasons(alice)[-1]

    def limits():
        with ProgramProcess("limits", "--config", server.path, "--user", alice.name) as command:
            assert 0 == command.wait(), command.stderr
        return "".join(command.stdout)

    assert re.search(r"wrong_codes\.user .+ 1 +0  1 per 1d", limits())
    server.write(BY_WORKERS + "limits: {wrong_codes: {user: 3 per 24h}}\n")
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: "3 per 1d" in limits(), "the new limit is shown")
    with ProgramProcess("users", "unlock", "--config", server.path, alice.name) as unlock:
        assert 0 == unlock.wait()
    assert re.search(r"wrong_codes\.user .+ 0 +3  3 per 1d", limits())
    assert radius.ACCESS_CHALLENGE == server.client().start_login(alice).code
    assert [alice.name] == [record["user"] for record in server.audit(kind="operator")]
    assert 0 == server.stop()
