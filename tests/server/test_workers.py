"""A service of several worker processes."""

import os
import signal
import socket
import stat
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from radius_voice.radius import packet as radius
from tests.support import program_process, server_process
from tests.support.network import TIMEOUT, http_get
from tests.support.polling import wait_until
from tests.support.server_process import BASE_CONFIGURATION, WorkersProcess, first_url

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], workers: 2, reject_delay: 0.3s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""

WITH_FOREIGN_CHILDREN = """\
import os, sys
ended = os.fork()
if not ended:
    os._exit(0)
os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
read, write = os.pipe()
os.set_inheritable(write, True)
living = os.fork()
if not living:
    os.close(write)
    os.read(read, 1)  # until every other process has ended
    os._exit(0)
print("foreign children", ended, living, file=sys.stderr, flush=True)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Executes the given program as the parent of one child that has ended and of one that runs."""


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(6)]


@pytest.fixture
def workers(simulator, tmp_path, users):
    workers = WorkersProcess(tmp_path, simulator, CONFIGURATION, users)
    yield workers
    assert 0 == workers.stop()


def test_a_challenge_of_one_worker_can_be_answered_at_another(workers, users):
    for user in users:
        challenge = workers.client().start_login(user)
        assert radius.ACCESS_CHALLENGE == challenge.code
        accept = workers.client().respond(user, challenge, workers.simulator.code(user.phone))
        assert radius.ACCESS_ACCEPT == accept.code
        assert 1 == len(workers.simulator.calls(user.phone))
    assert 6 == workers.metric("radius_voice_requests_total", client="gateway", outcome="accept")


def test_copies_that_reach_different_workers_place_one_call(workers, users):
    alice = users[0]
    gateways = [workers.client() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda gateway: gateway.start_login(alice), gateways))
    assert {radius.ACCESS_CHALLENGE} == {reply.code for reply in replies}
    assert 1 == len(workers.simulator.calls(alice.phone))


def test_a_retransmission_reaches_the_worker_of_its_request(workers, users):
    gateway = workers.client()
    datagram = gateway.initial_request(users[0])
    gateway.send(datagram)
    first = gateway.receive()
    for _ in range(3):
        gateway.send(datagram)
        assert first.raw == gateway.receive().raw


def test_packets_queued_for_a_dead_worker_are_answered_by_its_replacement(workers, users):
    children = workers.children()
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    gateways = [workers.client() for _ in users]
    for gateway, user in zip(gateways, users, strict=True):
        gateway.send(gateway.initial_request(user))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    assert {radius.ACCESS_CHALLENGE} == {gateway.receive().code for gateway in gateways}
    again = workers.wait_for_line("metrics of all workers", workers.stderr, times=2)
    workers.admin = first_url(again)
    workers.wait_for_line("worker 1: RADIUS", workers.stderr, times=2)
    workers.wait_for_line("worker 0: RADIUS", workers.stderr, times=2)
    assert 3 == workers.metric("radius_voice_worker_deaths_total")
    assert [1] * 6 == [len(workers.simulator.calls(user.phone)) for user in users]


def test_readiness_asks_every_worker(workers):
    status, text = http_get(f"{workers.admin}/readyz")
    assert (200, True) == (status, '"ready": true' in text)
    stopped = workers.children()[-1]
    os.kill(stopped, signal.SIGSTOP)
    status, text = http_get(f"{workers.admin}/readyz")
    os.kill(stopped, signal.SIGCONT)
    assert (503, True) == (status, "does not respond" in text)


def test_every_worker_reads_the_configuration_again(workers, users):
    workers.write(CONFIGURATION.replace("address: 127.0.0.1", "address: 127.0.0.3"))
    workers.send_signal(signal.SIGHUP)
    workers.wait_for_line("reloaded", workers.stderr, times=2)
    gateway = workers.client("127.0.0.3")
    assert radius.ACCESS_CHALLENGE == gateway.start_login(users[0]).code


def test_a_replacement_worker_serves_the_same_configuration_until_a_restart(workers, users):
    port = workers.ports[0]
    listen = CONFIGURATION.replace('["udp://127.0.0.1:0"]', f'["udp://127.0.0.1:{port}", "udp://127.0.0.2:{port}"]')
    workers.write(f"{listen}store: {{type: sqlite, path: other.db}}\n")
    workers.send_signal(signal.SIGHUP)
    for times in (1, 2):
        workers.wait_for_line("needs a restart: server.listen, store", workers.stderr, times=times)
    for pid in workers.children():
        os.kill(pid, signal.SIGKILL)
    for number in range(2):
        workers.wait_for_line(f"worker {number}: RADIUS", workers.stderr, times=2)
    assert radius.ACCESS_CHALLENGE == workers.client().start_login(users[0]).code
    assert not (workers.directory / "other.db").exists()
    workers.send_signal(signal.SIGHUP)
    for times in (3, 4):
        workers.wait_for_line("needs a restart: server.listen, store", workers.stderr, times=times)
    workers.admin = first_url(workers.wait_for_line("metrics of all workers", workers.stderr, times=2))


def status(server, host):
    """The status of the metrics page for a request with that Host header."""
    request = urllib.request.Request(f"{server.admin}/metrics", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as page:
            return page.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_workers_send_metrics_only_to_the_configured_names(simulator, tmp_path, users):
    settings = f"{CONFIGURATION}admin: {{listen: '127.0.0.1:0', hosts: [Metrics.example.org]}}\n"
    base = BASE_CONFIGURATION.replace('admin: {listen: "127.0.0.1:0"}\n', "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_process, "BASE_CONFIGURATION", base)
        workers = WorkersProcess(tmp_path, simulator, settings, users)
    assert [200, 200, 421] == [
        status(workers, name) for name in ("metrics.example.org:9812", "localhost", "evil.example")
    ]
    assert 0 == workers.stop()


def test_foreign_child_processes_are_reaped_and_end_nothing(simulator, tmp_path, users, monkeypatch):
    monkeypatch.setattr(
        program_process, "PROGRAM", (sys.executable, "-c", WITH_FOREIGN_CHILDREN, *program_process.PROGRAM)
    )
    with WorkersProcess(tmp_path, simulator, CONFIGURATION, users) as workers:
        ended, living = map(int, workers.wait_for_line("foreign children", workers.stderr).split()[2:])
        wait_until(lambda: ended not in workers.children(), "the child that ended before the start is reaped")
        os.kill(living, signal.SIGTERM)
        wait_until(lambda: living not in workers.children(), "the child that ends during the service is reaped")
        assert 3 == len(workers.children())
        assert radius.ACCESS_CHALLENGE == workers.client().start_login(users[0]).code
        assert 0 == workers.metric("radius_voice_worker_deaths_total")
        assert [] == [line for line in workers.stderr if "died" in line]


def test_counts_of_a_worker_outlive_it_and_its_collector(workers, users):
    for user in users:
        workers.client().start_login(user)
    counted = {
        "radius_voice_requests_total": 6,
        "radius_voice_placement_seconds_count": 6,
        "radius_voice_deliveries_total": 6,
    }
    assert counted == {name: workers.metric(name) for name in counted}
    for pid in workers.children():
        os.kill(pid, signal.SIGKILL)
    for number in range(2):
        workers.wait_for_line(f"worker {number}: RADIUS", workers.stderr, times=2)
    again = workers.wait_for_line("metrics of all workers", workers.stderr, times=2)
    workers.admin = first_url(again)
    assert counted == {name: workers.metric(name) for name in counted}
    workers.wait_until_processed()
    assert 7 == workers.metric("radius_voice_requests_total")


def test_workers_end_with_their_parent(simulator, tmp_path, users):
    workers = WorkersProcess(tmp_path, simulator, CONFIGURATION, users)
    workers.kill()
    # The streams end when the last process that held them has: `kill` waits for that.
    assert 2 == len([line for line in workers.stderr if "stopped" in line])


def test_the_files_of_a_killed_service_are_removed_at_the_next_start(simulator, tmp_path, users, monkeypatch):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    WorkersProcess(tmp_path, simulator, CONFIGURATION, users).kill()
    assert [] == list(temporary.iterdir())
    left = tmp_path / "state" / "workers"
    assert {"worker-0", "worker-1"} <= {path.name for path in left.iterdir()}
    (left / "older").touch()
    workers = WorkersProcess(tmp_path, simulator, CONFIGURATION, users)
    assert not (left / "older").exists()
    assert 0o700 == stat.S_IMODE(left.stat().st_mode)
    assert 0 == workers.stop()
    assert not left.exists()


def test_the_folder_of_the_workers_may_have_a_long_path(simulator, tmp_path, users):
    state = tmp_path / ("state" + "x" * 120)
    configuration = CONFIGURATION.replace("server: {", f"server: {{state: {state}, ")
    with WorkersProcess(tmp_path, simulator, configuration, users) as workers:
        assert 200 == http_get(f"{workers.admin}/readyz")[0]


def test_a_port_in_use_is_reported_and_no_process_remains(simulator, tmp_path, users):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError, match=r"server.listen: 127\.0\.0\.1:\d+: Address already in use"):
            WorkersProcess(tmp_path, simulator, CONFIGURATION.replace(":0", f":{port}"), users)
