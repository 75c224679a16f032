"""`reload`: the configuration is in effect in every worker when the command ends, or it says why not."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from radius_voice import control
from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.server_process import ServerProcess, WorkersProcess

SECRET = "another secret of the tests"
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s, workers: WORKERS}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
BRANCH = "  branch: {address: 127.0.0.3, secret: a shared secret of the tests}\n"


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(3)]


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def server(simulator, tmp_path, users, request):
    process = ServerProcess if request.param == 1 else WorkersProcess
    server = process(tmp_path, simulator, configuration(request.param), users)
    yield server
    assert 0 == server.stop()


def workers_of(server):
    return 2 if isinstance(server, WorkersProcess) else 1


def configuration(workers):
    return CONFIGURATION.replace("WORKERS", str(workers))


def run(server, *options):
    return CliRunner().invoke(main, ["reload", "--config", str(server.path), *options])


def test_a_new_client_is_in_effect_in_every_worker_when_the_command_ends(server, users):
    server.write(configuration(workers_of(server)) + BRANCH)
    done = run(server)
    assert 0 == done.exit_code, done.output
    assert [f"{server.path}: in effect as generation 2", "added: clients.branch"] == done.stdout.splitlines()
    assert "warning: development: true" in done.stderr
    gateways = [server.client("127.0.0.3") for _ in users]
    assert {radius.ACCESS_CHALLENGE} == {
        gateway.start_login(user).code for gateway, user in zip(gateways, users, strict=True)
    }


def test_a_changed_secret_is_named_and_not_shown(server):
    server.write(configuration(workers_of(server)).replace("a shared secret of the tests", SECRET))
    done = run(server)
    assert 0 == done.exit_code
    assert "changed: clients.gateway.secret" in done.stdout
    as_json = run(server, "--json")
    assert {"result": "reloaded", "changed": [], "generation": 3}.items() <= json.loads(as_json.stdout).items()
    assert SECRET not in done.output + as_json.output


def test_an_unchanged_file_has_no_changes(server):
    assert ["no setting has changed"] == run(server).stdout.splitlines()[1:]


def test_a_file_with_errors_changes_nothing_and_its_lines_are_named(server, users):
    server.write(configuration(workers_of(server)) + BRANCH.replace("secret", "secrets"))
    done = run(server)
    assert 1 == done.exit_code
    assert "the configuration cannot be used, and the previous one stays in effect:" in done.stderr
    checked = CliRunner().invoke(main, ["check", "--config", str(server.path)])
    errors = [line for line in checked.stderr.splitlines() if line.startswith(f"{server.path}:")]
    assert errors
    assert errors == [line for line in done.stderr.splitlines() if line.startswith(f"{server.path}:")]
    as_json = run(server, "--json")
    assert 1 == as_json.exit_code
    assert {"result": "failed", "errors": errors}.items() <= json.loads(as_json.stdout).items()
    assert radius.ACCESS_CHALLENGE == server.client().start_login(users[0]).code


def test_a_users_file_with_errors_is_a_failure_too(server):
    server.write(
        configuration(workers_of(server)) + "  other: {address: 127.0.0.4, secret: a shared secret of the tests}\n"
    )
    server.path.write_text(server.path.read_text().replace("path: users.yaml", "path: missing.yaml"))
    done = run(server)
    assert 1 == done.exit_code
    assert "missing.yaml" in done.stderr


def test_keys_that_need_a_restart_are_named_until_the_restart(server):
    more = "store: {type: sqlite, path: other.db}\n"
    server.write(configuration(workers_of(server)) + more)
    for _ in range(2):
        lines = run(server).stdout.splitlines()
        assert "needs a restart: store" in lines
        assert "no setting has changed" not in lines
        assert [] == [line for line in lines if line.startswith("changed: store")]


def test_a_reload_by_a_signal_is_counted_and_reported_too(server):
    server.send_signal(signal.SIGHUP)
    for times in range(workers_of(server)):
        server.wait_for_line("reloaded", server.stderr, times=times + 1)
    server.write(configuration(workers_of(server)) + BRANCH)
    assert [f"{server.path}: in effect as generation 3", "added: clients.branch"] == run(server).stdout.splitlines()


def test_several_reloads_at_once_all_have_a_result(server):
    with ThreadPoolExecutor(4) as pool:
        state = server.directory / "state"
        results = list(pool.map(lambda _: control.ask(state, control.RELOAD), range(4)))
    assert ["reloaded"] * 4 == [result["result"] for result in results]


def test_a_reload_is_completed_for_a_client_that_disconnects(server, users):
    server.write(configuration(workers_of(server)) + BRANCH)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.directory / "state" / control.SOCKET))
        client.sendall(b'{"command": "reload"}\n')
    for times in range(workers_of(server)):
        server.wait_for_line("reloaded", server.stderr, times=times + 1)
    assert radius.ACCESS_CHALLENGE == server.client("127.0.0.3").start_login(users[0]).code


def test_another_file_than_that_of_the_service_is_reported(server, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("server: {}\n")
    done = CliRunner().invoke(main, ["reload", "--config", str(other)])
    assert f"warning: the service reads {server.path}, not {other}" in done.stderr


def test_without_a_running_service_the_exit_code_is_3(tmp_path):
    path = tmp_path / "radius-voice.yaml"
    path.write_text("server: {}\n")
    done = CliRunner().invoke(main, ["reload", "--config", str(path)])
    assert 3 == done.exit_code
    assert "no radius-voice service listens" in done.stderr
