"""Several processes that serve as one."""

import os
import re
import signal
import socket
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from radius_voice.radius import packet as radius
from tests.server import house
from tests.server.house import House, get
from tests.stores.redis_server import until

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], workers: 2, reject_delay: 0.3s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""

STRANGERS = """\
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
    os.read(read, 1)  # until everybody else is gone
    os._exit(0)
print("strangers", ended, living, file=sys.stderr, flush=True)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Becomes the program that it is given, as the parent of one child that has ended and of one that lives."""


class Workers(House):
    """A house of several processes: the watcher tells where metrics are."""

    def find_admin(self, started):
        for number in range(2):
            self.line(f"worker {number}: RADIUS", self.stderr)
        return re.search(r"http://[\d.]+:\d+", self.line("metrics of all workers", self.stderr))[0]

    def children(self):
        """Process ids of workers, by number, from what each one's sockets are."""
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in text.split()]


@pytest.fixture
def people(make_person):
    return [make_person() for _ in range(6)]


@pytest.fixture
def workers(phones, tmp_path, people):
    workers = Workers(tmp_path, phones, CONFIGURATION, people)
    yield workers
    assert 0 == workers.stop()


def test_a_challenge_of_one_worker_is_answered_at_another(workers, people):
    for person in people:
        challenge = workers.gateway().begin(person)
        assert radius.ACCESS_CHALLENGE == challenge.code
        accept = workers.gateway().answer(person, challenge, workers.phones.code(person.phone))
        assert radius.ACCESS_ACCEPT == accept.code
        assert 1 == len(workers.phones.calls(person.phone))
    assert 6 == workers.metric("radius_voice_requests_total", client="gateway", outcome="accept")


def test_copies_that_reach_different_workers_ring_once(workers, people):
    anne = people[0]
    gateways = [workers.gateway() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda gateway: gateway.begin(anne), gateways))
    assert {radius.ACCESS_CHALLENGE} == {reply.code for reply in replies}
    assert 1 == len(workers.phones.calls(anne.phone))


def test_a_retransmission_finds_its_worker(workers, people):
    gateway = workers.gateway()
    datagram = gateway.first(people[0])
    gateway.send(datagram)
    first = gateway.receive()
    for _ in range(3):
        gateway.send(datagram)
        assert first.raw == gateway.receive().raw


def test_what_was_queued_for_a_worker_that_died_is_answered_by_the_next(workers, people):
    children = workers.children()
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    gateways = [workers.gateway() for _ in people]
    for gateway, person in zip(gateways, people, strict=True):
        gateway.send(gateway.first(person))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    assert {radius.ACCESS_CHALLENGE} == {gateway.receive().code for gateway in gateways}
    again = workers.line("metrics of all workers", workers.stderr, times=2)
    workers.admin = re.search(r"http://[\d.]+:\d+", again)[0]
    workers.line("worker 1: RADIUS", workers.stderr, times=2)
    workers.line("worker 0: RADIUS", workers.stderr, times=2)
    assert 3 == workers.metric("radius_voice_worker_deaths_total")
    assert [1] * 6 == [len(workers.phones.calls(person.phone)) for person in people]


def test_all_are_asked_whether_they_are_ready(workers):
    status, text = get(f"{workers.admin}/readyz")
    assert (200, True) == (status, '"ready": true' in text)
    stopped = workers.children()[-1]
    os.kill(stopped, signal.SIGSTOP)
    status, text = get(f"{workers.admin}/readyz")
    os.kill(stopped, signal.SIGCONT)
    assert (503, True) == (status, "does not answer" in text)


def test_every_worker_reads_the_configuration_again(workers, people):
    workers.write(CONFIGURATION.replace("address: 127.0.0.1", "address: 127.0.0.3"))
    workers.send_signal(signal.SIGHUP)
    workers.line("reloaded", workers.stderr, times=2)
    gateway = workers.gateway("127.0.0.3")
    assert radius.ACCESS_CHALLENGE == gateway.begin(people[0]).code


def test_a_worker_that_takes_anothers_place_serves_what_the_others_do_until_a_restart(workers, people):
    port = workers.ports[0]
    listen = CONFIGURATION.replace('["udp://127.0.0.1:0"]', f'["udp://127.0.0.1:{port}", "udp://127.0.0.2:{port}"]')
    workers.write(f"{listen}store: {{type: sqlite, path: other.db}}\n")
    workers.send_signal(signal.SIGHUP)
    for times in (1, 2):
        workers.line("needs a restart: server.listen, store", workers.stderr, times=times)
    for pid in workers.children():
        os.kill(pid, signal.SIGKILL)
    for number in range(2):
        workers.line(f"worker {number}: RADIUS", workers.stderr, times=2)
    assert radius.ACCESS_CHALLENGE == workers.gateway().begin(people[0]).code
    assert not (workers.folder / "other.db").exists()
    workers.send_signal(signal.SIGHUP)
    for times in (3, 4):
        workers.line("needs a restart: server.listen, store", workers.stderr, times=times)
    workers.admin = re.search(r"http://[\d.]+:\d+", workers.line("metrics of all workers", workers.stderr, times=2))[0]


def test_metrics_of_workers_are_told_to_the_names_in_the_configuration_alone(phones, tmp_path, people):
    def status(host):
        asked = urllib.request.Request(f"{workers.admin}/metrics", headers={"Host": host})
        try:
            with urllib.request.urlopen(asked, timeout=house.PATIENCE) as page:
                return page.status
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code

    settings = f"{CONFIGURATION}admin: {{listen: '127.0.0.1:0', hosts: [Metrics.example.org]}}\n"
    foundation = house.FOUNDATION.replace('admin: {listen: "127.0.0.1:0"}\n', "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house, "FOUNDATION", foundation)
        workers = Workers(tmp_path, phones, settings, people)
    assert [200, 200, 421] == [status(name) for name in ("metrics.example.org:9812", "localhost", "evil.example")]
    assert 0 == workers.stop()


def test_children_that_are_somebody_elses_are_buried_and_end_nothing(phones, tmp_path, people, monkeypatch):
    monkeypatch.setattr(house, "PROGRAM", (sys.executable, "-c", STRANGERS, *house.PROGRAM))
    with Workers(tmp_path, phones, CONFIGURATION, people) as workers:
        ended, living = map(int, workers.line("strangers", workers.stderr).split()[1:])
        until(lambda: ended not in workers.children(), "who ended before the server began is buried")
        os.kill(living, signal.SIGTERM)
        until(lambda: living not in workers.children(), "who ended while it serves is buried")
        assert 3 == len(workers.children())
        assert radius.ACCESS_CHALLENGE == workers.gateway().begin(people[0]).code
        assert 0 == workers.metric("radius_voice_worker_deaths_total")
        assert [] == [line for line in workers.stderr if "died" in line]


def test_what_a_worker_has_counted_outlives_it_and_who_collects(workers, people):
    for person in people:
        workers.gateway().begin(person)
    counted = {"radius_voice_requests_total": 6, "radius_voice_ring_seconds_count": 6, "radius_voice_calls_total": 6}
    assert counted == {name: workers.metric(name) for name in counted}
    for pid in workers.children():
        os.kill(pid, signal.SIGKILL)
    for number in range(2):
        workers.line(f"worker {number}: RADIUS", workers.stderr, times=2)
    again = workers.line("metrics of all workers", workers.stderr, times=2)
    workers.admin = re.search(r"http://[\d.]+:\d+", again)[0]
    assert counted == {name: workers.metric(name) for name in counted}
    workers.settled()
    assert 7 == workers.metric("radius_voice_requests_total")


def test_workers_end_with_their_parent(phones, tmp_path, people):
    workers = Workers(tmp_path, phones, CONFIGURATION, people)
    workers.kill()
    # The streams end when the last process that held them has: `kill` waits for that.
    assert 2 == len([line for line in workers.stderr if "stopped" in line])


def test_a_port_that_is_taken_is_told_and_nothing_stays_behind(phones, tmp_path, people):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError, match=r"server.listen: 127\.0\.0\.1:\d+: Address already in use"):
            Workers(tmp_path, phones, CONFIGURATION.replace(":0", f":{port}"), people)
