"""`status`: one answer for all processes of the running service, with an exit code."""

import json
import os
import signal

import pytest
from click.testing import CliRunner

from radius_voice import operations
from radius_voice.cli.main import main
from radius_voice.cli.status import _duration
from radius_voice.radius import packet as radius
from tests.support.network import free_port
from tests.support.polling import wait_until
from tests.support.server_process import ServerProcess, WorkersProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s, workers: WORKERS}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def start(simulator, tmp_path, user):
    """Starts a service with that number of workers; it ends with the test."""
    running = []

    def started(workers=1, simulator=simulator, accounting="", more=""):
        process = ServerProcess if workers == 1 else WorkersProcess
        configuration = CONFIGURATION.replace("WORKERS", str(workers)).replace("server: {", f"server: {{{accounting}")
        configuration += more
        running.append(process(tmp_path, simulator, configuration, [user]))
        return running[-1]

    yield started
    for server in running:
        assert 0 == server.stop()


def run(path, *options):
    return CliRunner().invoke(main, ["status", "--config", str(path), *options])


def status(server, code=0):
    done = run(server.path, "--json")
    assert code == done.exit_code, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_healthy_service_shows_its_logins_and_the_result_of_its_provider(start, user, workers):
    server = start(workers)
    assert [None] == [each["last_result"] for each in status(server)["providers"]]
    gateway = server.client()
    assert radius.ACCESS_CHALLENGE == gateway.start_login(user).code
    found = status(server)
    assert (True, []) == (found["healthy"], found["problems"])
    assert {"open": 1, "calls": 1} == found["logins"]
    assert ["placed"] == [each["last_result"]["result"] for each in found["providers"]]
    assert workers == len(found["workers"])
    assert server.process.pid == found["process"]
    assert [["127.0.0.1", server.ports[0]]] == found["listen"]
    assert {"type": "sqlite", "problem": ""} == found["store"]
    assert str(server.directory / "audit.jsonl") == found["audit"]["path"]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_table_has_every_part_and_no_number_of_a_user(start, user, workers):
    server = start(workers)
    server.client().start_login(user)
    done = run(server.path)
    assert 0 == done.exit_code
    lines = done.stdout.splitlines()
    assert lines[0].endswith(": healthy")
    for begin in ("running since", "configuration", "last reload    none", "listeners", f"worker {workers - 1}"):
        assert [line for line in lines if line.startswith(begin)], begin
    assert [line for line in lines if line.startswith("twilio ") and " closed " in line and " placed, " in line]
    assert [line for line in lines if line.startswith("people ") and line.endswith("users.yaml  ok")]
    assert user.phone.lstrip("+") not in done.stdout


@pytest.mark.parametrize("reported", [False, True])
def test_calls_that_are_not_counted_are_named(start, user, reported):
    callbacks = 'callbacks: {listen: "127.0.0.1:0", public_url: "http://127.0.0.1:9"}\n'
    server = start(more=callbacks if reported else "")
    server.client().start_login(user)
    (line,) = [line for line in run(server.path).stdout.splitlines() if line.startswith("logins")]
    calls = "0, without those of providers that report by callbacks" if reported else "1"
    assert f"logins         1 open, calls live: {calls}" == line


@pytest.mark.parametrize("workers", [1, 2])
def test_accounting_ports_are_listed_apart_from_those_of_logins(start, workers):
    port = free_port()
    server = start(workers, accounting=f'accounting: ["udp://127.0.0.1:{port}"], ')
    assert [["127.0.0.1", port]] == status(server)["accounting"]
    assert (
        f"RADIUS udp 127.0.0.1 port {server.ports[0]}, accounting udp 127.0.0.1 port {port}, "
        in run(server.path).stdout
    )


def test_a_provider_with_an_outage_makes_the_service_unhealthy(start, user):
    server = start(simulator=f"http://127.0.0.1:{free_port()}")
    for _ in range(3):
        assert radius.ACCESS_REJECT == server.client().start_login(user).code
    found = status(server, 1)
    assert ["provider twilio has an outage and is skipped"] == found["problems"]
    (provider,) = found["providers"]
    assert ("open", "not_placed") == (provider["circuit_breaker"], provider["last_result"]["result"])
    assert "problem: provider twilio has an outage and is skipped" in run(server.path).stdout


def test_a_worker_that_does_not_respond_makes_the_service_unhealthy(start):
    server = start(2)
    stopped = server.children()[-1]
    os.kill(stopped, signal.SIGSTOP)
    try:
        found = status(server, 1)
    finally:
        os.kill(stopped, signal.SIGCONT)
    (problem,) = found["problems"]
    assert problem.endswith("does not respond")
    assert 1 == len([line for line in run(server.path).stdout.splitlines() if line.startswith("worker 1")])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_reload_is_shown_while_the_configuration_has_errors(start, workers):
    server = start(workers)
    good = server.path.read_text()
    server.path.write_text("clients: [")
    server.send_signal(signal.SIGHUP)
    for times in range(workers):
        server.wait_for_line("reload_failed", server.stderr, times=times + 1)
    wait_until(lambda: run(server.path).exit_code == 1, "all workers have reported the reload")
    found = status(server, 1)
    assert "failed" == found["reload"]["result"]
    assert any("radius-voice.yaml:2:" in error for error in found["reload"]["errors"]), found["reload"]
    assert 1 == found["generation"]
    server.path.write_text(good)
    server.send_signal(signal.SIGHUP)
    for times in range(workers):
        server.wait_for_line("reloaded", server.stderr, times=times + 1)
    wait_until(lambda: run(server.path).exit_code == 0, "all workers have reported the reload")
    assert 3 == status(server)["generation"], "the failed reload is counted too"


def test_a_replaced_worker_has_the_generation_of_the_others(start):
    server = start(2)
    server.send_signal(signal.SIGHUP)
    server.wait_for_line("reloaded", server.stderr, times=2)
    workers = [each["process"] for each in status(server)["workers"]]
    os.kill(workers[1], signal.SIGKILL)
    server.wait_for_line("worker 1: RADIUS", server.stderr, times=2)
    found = status(server)
    assert [2, 2] == [each["generation"] for each in found["workers"]]
    assert workers[0] == found["workers"][0]["process"]
    assert workers[1] != found["workers"][1]["process"]


@pytest.mark.parametrize("broken", [False, True])
def test_without_a_running_service_the_exit_code_is_3(tmp_path, broken):
    path = tmp_path / "radius-voice.yaml"
    path.write_text("clients: [" if broken else "server: {state: elsewhere}\n")
    done = run(path)
    assert 3 == done.exit_code
    assert f"no radius-voice service listens at {tmp_path}/{'state' if broken else 'elsewhere'}/" in done.stderr


def test_another_state_directory_is_suggested_only_if_it_is_not_the_one_that_was_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(operations, "SERVICE_STATE", str(tmp_path / "service"))
    suggestion = "if the service uses another state directory"
    path = tmp_path / "radius-voice.yaml"
    path.write_text("server: {state: state}\n")
    assert suggestion in run(path).stderr
    tried = run(path, "--state", tmp_path / "service")
    assert (3, False) == (tried.exit_code, suggestion in tried.stderr)


def test_without_a_configuration_the_exit_code_is_4_unless_the_state_directory_is_named(tmp_path):
    missing = tmp_path / "radius-voice.yaml"
    done = run(missing)
    assert 4 == done.exit_code
    assert "name the state directory of the service by --state" in done.stderr
    assert 3 == run(missing, "--state", tmp_path).exit_code


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90000, "1 d 1 h"), (-5, "0 s")],
)
def test_durations_have_their_two_largest_units(seconds, text):
    assert text == _duration(seconds)
