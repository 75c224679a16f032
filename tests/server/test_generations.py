"""What servers and configurations that follow or stand beside each other must agree on, in process."""

import asyncio
import json
import threading
from typing import Any

import pytest

from radius_voice.config.load import restart_needed, until_restart
from radius_voice.events import Reason
from radius_voice.identity.passwords import CHEAPEST, Hasher, hash_password
from radius_voice.login.codes.keys import Keys
from radius_voice.login.deliveries.requests import Placed
from radius_voice.login.model import CallStatus, Unavailable, User
from radius_voice.observe import repeats
from radius_voice.radius import packet as radius
from radius_voice.radius.password import encrypt_password
from radius_voice.server.clients import Require
from radius_voice.server.generation import Rules
from radius_voice.service import housekeeping, reload
from radius_voice.service.service import start
from radius_voice.service.tasks import BackgroundTasks
from radius_voice.stores.memory import MemoryStore
from radius_voice.wiring.adapters import load
from radius_voice.wiring.generation import Shared, build, server_rules
from tests.login.harness import LoginHarness
from tests.server.test_time import InProcessClient, request
from tests.support.program_process import TIMEOUT
from tests.support.server_process import BASE_CONFIGURATION

SECRET = b"a shared secret of the tests"
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 0.3s}
store: {type: memory}
audit: {path: audit.jsonl}
"""


@pytest.fixture
def write(tmp_path):
    """Writes a configuration, and a users file whose only user has the password `right`."""

    def written(configuration, base=BASE_CONFIGURATION):
        alice = {"alice": {"password": hash_password("right", CHEAPEST), "phones": ["+12025550123"]}}
        for name in ("users.yaml", "others.yaml"):
            (tmp_path / name).write_text(json.dumps(alice))
            (tmp_path / name).chmod(0o600)
        path = tmp_path / "radius-voice.yaml"
        path.write_text(base.replace("SIMULATOR", "http://127.0.0.1:1") + configuration)
        return path

    return written


@pytest.fixture
def shared():
    hasher = Hasher()
    yield Shared(Keys(b"k" * 32), MemoryStore(lambda: 0.0), hasher, print, lambda: 0.0, print, b"k" * 32)
    hasher.close()


def receive(service, datagram, port, send):
    server = service._server
    server.receive(datagram, server.client_at("127.0.0.1"), ("127.0.0.1", port), 3, send)


async def test_a_signed_packet_needs_no_stored_signing_history():
    class UnavailableStore:
        async def put(self, key, value, ttl):
            raise Unavailable("store", "gone")

        async def get(self, key):
            raise Unavailable("store", "gone")

    gateway = InProcessClient(LoginHarness(), memory=UnavailableStore(), require=Require.AUTO)
    assert 1 == len(await gateway.exchange(request("wrong", identifier=1)))
    assert [] == await gateway.exchange(request("wrong", signed=False, identifier=2))
    assert [Reason.WRONG_PASSWORD, Reason.STORE_UNAVAILABLE] == gateway.reasons()


async def test_a_generation_is_released_when_no_request_of_it_is_queued_or_processed():
    harness = LoginHarness()
    harness.provider.gate = asyncio.Event()
    gateway = InProcessClient(harness, rules=Rules(reject_delay=0.0, max_concurrent=1))
    gateway.send(request("right", identifier=1))
    gateway.send(request("right", identifier=2))
    await asyncio.sleep(0)
    released = asyncio.ensure_future(gateway.server.release(gateway.generation))
    done, _ = await asyncio.wait({released}, timeout=0.15)
    assert not done
    harness.provider.gate.set()
    await asyncio.wait_for(released, 10)
    assert 2 == len(gateway.replies)


async def test_the_event_loop_runs_while_a_reload_reads(write, monkeypatch):
    path = write(CONFIGURATION)
    service = await start(path, load(path))
    reading, go_on = threading.Event(), threading.Event()

    def slow(path):
        reading.set()
        assert go_on.wait(TIMEOUT)
        return load(path)

    monkeypatch.setattr(reload, "load", slow)
    reloads = [asyncio.create_task(service.reload()) for _ in range(2)]
    assert await asyncio.to_thread(reading.wait, TIMEOUT)
    before = service._generations.newest
    go_on.set()
    await asyncio.gather(*reloads)
    assert before is not service._generations.newest
    assert before.identity == service._generations.newest.identity
    await service.stop()


async def test_a_reload_during_shutdown_starts_nothing(write):
    path = write(CONFIGURATION)
    service = await start(path, load(path))
    before = service._generations.newest
    reloading = asyncio.create_task(service.reload())
    await asyncio.sleep(0)
    await service.stop()
    await reloading
    assert [before] == list(service._generations)


async def test_a_generation_that_ends_at_shutdown_leaves_the_next_to_be_drained(write):
    path = write(CONFIGURATION)
    service = await start(path, load(path))
    before = service._generations.newest.flow
    gate, asked, placed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    before._supervisor.run(gate.wait())
    await service.reload()

    async def ring():
        await before.drain()
        asked.set()
        for _ in range(20):  # longer than it takes the one before to be retired
            await asyncio.sleep(0)
        placed.set()

    service._generations.newest.flow._supervisor.run(ring())
    stopping = asyncio.create_task(service.stop())
    await asyncio.sleep(0)
    gate.set()
    await asyncio.wait_for(asked.wait(), TIMEOUT)
    await asyncio.wait_for(stopping, TIMEOUT)
    assert placed.is_set()


async def test_a_call_placed_after_a_reload_is_followed(write, monkeypatch):
    monkeypatch.setattr(housekeeping, "CALL_POLL_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(reload, "RETIRE_INTERVAL_SECONDS", 0.01)
    path = write(CONFIGURATION)
    service = await start(path, load(path))
    provider = service._generations.newest.providers["twilio"]
    gate, asked, replied = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def place(order, deadline):
        await gate.wait()
        return Placed("CA1")

    async def progress(calls):
        asked.set()
        return dict.fromkeys(calls, CallStatus.BUSY)

    monkeypatch.setattr(provider, "place", place)
    monkeypatch.setattr(provider, "progress", progress)
    attributes = [(radius.USER_NAME, b"alice"), (radius.USER_PASSWORD, encrypt_password(b"right", SECRET, bytes(16)))]
    datagram = radius.encode_request(radius.ACCESS_REQUEST, 1, bytes(16), attributes, SECRET)
    receive(service, datagram, 5000, lambda _: replied.set())
    await asyncio.wait_for(replied.wait(), 10)
    await service.reload()
    gate.set()
    await asyncio.wait_for(asked.wait(), 10)
    await service.stop()


async def test_a_background_task_that_fails_is_reported_once_and_run_again():
    reports: list[Any] = []
    again = asyncio.Event()
    tasks = BackgroundTasks(lambda *report: reports.append(report))
    runs = 0

    async def work():
        nonlocal runs
        runs += 1
        if runs == 3:
            again.set()
        raise TypeError("a secret")

    tasks.repeat(0.0, work)
    await asyncio.wait_for(again.wait(), 10)
    await tasks.cancel()
    assert [("warning", "housekeeping failed: TypeError")] == reports


async def test_a_required_restart_is_reported_at_every_reload_until_reverted(write):
    path = write(CONFIGURATION)
    records: list[Any] = []
    service = await start(path, load(path), log=records.append)

    async def reloaded(configuration):
        write(configuration)
        await service.reload()
        return [record.detail for record in records if record.event == "reloaded"][-1]

    changed = CONFIGURATION + "log: {level: debug}\n"
    assert "needs a restart: log" == await reloaded(changed)
    assert "needs a restart: log" == await reloaded(changed)
    named = changed.replace("0.3s}", "0.3s}\n  other: {address: 127.0.0.2, secret: a shared secret of the tests}")
    assert "needs a restart: log" == await reloaded(named), "settings without a restart are applied"
    assert "" == await reloaded(CONFIGURATION)
    await service.stop()


def test_a_reload_applies_the_new_file_except_keys_that_need_a_restart(write):
    running = load(write(CONFIGURATION)).settings
    other = CONFIGURATION.replace("reject_delay: 0s", "reject_delay: 2s, workers: 2").replace("memory", "sqlite")
    other = other.replace("audit.jsonl", "other.jsonl").replace("0.3s", "1s") + "log: {level: debug}\n"
    base = BASE_CONFIGURATION.replace("127.0.0.1:0", "127.0.0.1:9812").replace("ACME VPN", "Other VPN")
    wanted = load(write(other, base)).settings
    active = until_restart(running, wanted)
    needed = ["server.workers", "store", "admin.listen", "audit", "log"]
    assert needed == restart_needed(running, wanted)
    assert [] == restart_needed(running, active)
    assert needed == restart_needed(active, wanted)
    assert (2.0, 1.0) == (active.server.reject_delay, active.clients["gateway"].response_timeout)
    assert "Other VPN" == active.delivery.friendly_name


async def test_suppressed_rejects_are_written_without_a_later_request(write, monkeypatch):
    monkeypatch.setattr(housekeeping, "SWEEP_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(repeats, "PERIOD", 0.05)
    path, written = write(CONFIGURATION), asyncio.Event()

    def notice_repeated(record):
        if getattr(record, "repeated", 0):
            written.set()

    service = await start(path, load(path), log=notice_repeated)
    attributes = [(radius.USER_NAME, b"alice"), (radius.USER_PASSWORD, encrypt_password(b"wrong", SECRET, bytes(16)))]
    datagram = radius.encode_request(radius.ACCESS_REQUEST, 1, bytes(16), attributes, SECRET)
    for port in range(5000, 5003):
        receive(service, datagram, port, lambda _: None)
    await asyncio.wait_for(written.wait(), TIMEOUT)
    await service.stop()


def test_a_request_is_known_as_long_as_it_may_be_processed(write):
    path = write(CONFIGURATION.replace("0.3s", "40s"))
    assert 40 < server_rules(load(path).settings).duplicate_window


async def test_equal_names_in_two_sources_are_two_users(write, shared):
    two = BASE_CONFIGURATION.replace("users.yaml}", "users.yaml}\n  others: {type: users_file, path: others.yaml}")
    policies = (
        "policies: {default: {first_factor: people, directory: people}, o: {first_factor: others, directory: others}}\n"
    )
    built = build(load(write(CONFIGURATION + policies, two)).settings, shared)
    alice = User("alice", "alice")
    assert 2 == len({policy.user_key(alice) for policy in built.flow._dependencies.policies.values()})
