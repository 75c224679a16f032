"""Messages to the service manager, on a real datagram socket, and the state of workers that they are made from."""

import asyncio
import os
import socket
from contextlib import closing

import pytest

from radius_voice.service.heartbeats import ChildReports, Heartbeats, ParentProcess
from radius_voice.service.notify import ServiceManager, report_alive
from tests.support.notify_socket import NotifySocket

WATCHER, WORKERS = -1, 2


class Clock:
    """Monotonic seconds that a test sets."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def received(tmp_path):
    with NotifySocket(tmp_path / "notify") as listening:
        yield listening


@pytest.fixture
def manager(received):
    with closing(ServiceManager(str(received.path), watchdog=20.0)) as manager:
        yield manager


def test_each_state_is_one_message(received, manager):
    manager.ready()
    manager.reloading()
    manager.stopping()
    manager.alive()
    assert ["READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1"] == [
        received.receive().partition("\n")[0] for _ in range(4)
    ]


def test_a_reload_has_its_time_in_microseconds(received, manager):
    manager.reloading()
    name, _, microseconds = received.receive().split("\n")[1].partition("=")
    assert ("MONOTONIC_USEC", True) == (name, microseconds.isdigit())


def test_an_address_may_be_abstract():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0radius-voice-{os.getpid()}")
        with closing(ServiceManager(f"@radius-voice-{os.getpid()}")) as manager:
            manager.ready()
        assert b"READY=1" == listening.recv(100)


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative", "/nonexistent/notify"])
def test_without_a_usable_address_nothing_fails(address):
    with closing(ServiceManager(address)) as manager:
        manager.ready()


def test_a_socket_that_is_gone_or_full_stops_no_service(received, manager, monkeypatch):
    monkeypatch.setattr("radius_voice.service.notify.SEND_SECONDS", 0.01)
    with closing(ServiceManager(str(received.path))) as impatient:
        for _ in range(1000):
            impatient.alive()
    received.close()
    manager.alive()


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15.0),
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000"}, 15.0),
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 0.0),
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "soon"}, 0.0),
        ({"NOTIFY_SOCKET": "/run/notify"}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 0.0),
        ({}, 0.0),
    ],
)
def test_half_of_the_watchdogs_period_is_the_interval(environment, interval):
    with closing(ServiceManager.of(environment, 7)) as manager:
        assert interval == manager.alive_interval


async def test_a_service_without_a_watchdog_reports_nothing():
    with closing(ServiceManager()) as manager:
        await asyncio.wait_for(report_alive(manager), 5)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def heartbeats(clock):
    heartbeats = Heartbeats(WATCHER, 1 + WORKERS, clock)
    for number in (WATCHER, *range(WORKERS)):
        heartbeats.started(number)
    return heartbeats


@pytest.fixture
def reports(heartbeats, manager, clock):
    return ChildReports(heartbeats, manager, clock)


@pytest.fixture
def children(heartbeats):
    return [ParentProcess(heartbeats, number, 10.0) for number in (WATCHER, *range(WORKERS))]


@pytest.fixture
def messages(received):
    """Returns the messages that wait in the socket, without those of the watchdog."""

    def waiting():
        found = []
        try:
            while True:
                found.append(received.receive(0.001).partition("\n")[0])
        except (BlockingIOError, TimeoutError):
            return [message for message in found if message != "WATCHDOG=1"]

    return waiting


def test_a_service_of_workers_is_ready_once_all_children_are(reports, children, messages):
    for child in children[:-1]:
        child.ready()
    reports.send_due()
    assert [] == messages()
    children[-1].ready()
    reports.send_due()
    reports.send_due()
    assert ["READY=1"] == messages()


def test_a_reload_ends_once_all_children_have_reloaded(reports, children, messages):
    for child in children:
        child.ready()
    reports.send_due()
    reports.reload()
    children[0].reloading()
    children[0].ready()
    reports.send_due()
    assert ["READY=1", "RELOADING=1"] == messages()
    reports.reload()
    for child in children[1:]:
        child.reloading()
        child.ready()
    reports.send_due()
    assert ["RELOADING=1"] == messages()
    children[0].reloading()
    children[0].ready()
    reports.send_due()
    assert ["READY=1"] == messages()


def test_a_child_that_is_replaced_during_a_reload_has_the_new_configuration(reports, children, heartbeats, messages):
    for child in children:
        child.ready()
    reports.reload()
    for child in children[:-1]:
        child.reloading()
        child.ready()
    heartbeats.started(WORKERS - 1)
    reports.send_due()
    assert ["RELOADING=1"] == messages()
    ParentProcess(heartbeats, WORKERS - 1, 10.0).ready()
    reports.send_due()
    assert ["READY=1"] == messages()


def test_a_service_that_stops_is_not_ready_again(reports, children, messages):
    reports.stopping()
    for child in children:
        child.ready()
    reports.send_due()
    assert ["STOPPING=1"] == messages()


def test_the_watchdog_gets_a_message_while_every_child_responds(reports, children, clock, received):
    reports.send_due()
    assert "WATCHDOG=1" == received.receive()
    clock.now += 10.0
    for child in children[:-1]:
        child.alive()
    reports.send_due()
    with pytest.raises(TimeoutError):
        received.receive(0.001)
    children[-1].alive()
    reports.send_due()
    assert "WATCHDOG=1" == received.receive()


def test_children_send_several_heartbeats_in_an_interval(children):
    assert {2.5} == {child.alive_interval for child in children}


def test_the_parent_polls_until_all_is_reported(reports, children, clock):
    assert 0.05 == reports.send_due()
    for child in children:
        child.ready()
    assert 10.0 == reports.send_due()
    clock.now += 4.0
    assert 6.0 == reports.send_due()


def test_the_parent_does_not_poll_without_a_service_manager(heartbeats, clock):
    assert 3600.0 == ChildReports(heartbeats, ServiceManager(), clock).send_due()


def test_the_parent_polls_rarely_without_a_watchdog(heartbeats, children, clock, received):
    for child in children:
        child.ready()
    with closing(ServiceManager(str(received.path))) as manager:
        assert 3600.0 == ChildReports(heartbeats, manager, clock).send_due()
