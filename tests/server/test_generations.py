"""What servers and configurations that follow or stand beside each other must agree on, in process."""

import asyncio
import json
import threading

import pytest

from radius_voice import app
from radius_voice.app import Service
from radius_voice.build import Shared, build, server_rules
from radius_voice.clients import Require
from radius_voice.config.load import load, restart_needed, until_restart
from radius_voice.events import Lifecycle, Reason
from radius_voice.identity.passwords import CHEAPEST, Hasher, hash_password
from radius_voice.login.codes import Keys
from radius_voice.login.model import CallStatus, Placed, Unavailable, User
from radius_voice.observe import repeats
from radius_voice.radius import packet as radius
from radius_voice.radius.password import hide
from radius_voice.server import Rules
from radius_voice.stores.memory import MemoryStore
from tests.login.fakes import House
from tests.server.house import FOUNDATION, PATIENCE
from tests.server.test_time import Direct, request

SECRET = b"a shared secret of the tests"
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, answer_within: 0.3s}
store: {type: memory}
audit: {path: audit.jsonl}
"""


@pytest.fixture
def write(tmp_path):
    """Writes a configuration, and a users file whose only person has the password `right`."""

    def written(configuration, foundation=FOUNDATION):
        alice = {"alice": {"password": hash_password("right", CHEAPEST), "phones": ["+12025550123"]}}
        for name in ("users.yaml", "others.yaml"):
            (tmp_path / name).write_text(json.dumps(alice))
            (tmp_path / name).chmod(0o600)
        path = tmp_path / "radius-voice.yaml"
        path.write_text(foundation.replace("PHONES", "http://127.0.0.1:1") + configuration)
        return path

    return written


@pytest.fixture
def shared():
    hasher = Hasher()
    yield Shared(Keys(b"k" * 32), MemoryStore(lambda: 0.0), hasher, print, lambda: 0.0, print, b"k" * 32)
    hasher.close()


async def test_who_signs_anywhere_signs_everywhere_at_once():
    house = House()
    one, other = Direct(house, require=Require.AUTO), Direct(house, require=Require.AUTO)
    assert 1 == len(await other.ask(request("wrong", signed=False, identifier=1)))
    assert 1 == len(await one.ask(request("wrong", identifier=2)))
    assert [] == await other.ask(request("wrong", signed=False, identifier=3))


async def test_a_signed_packet_needs_no_memory_of_who_signs():
    class Gone:
        async def remember(self, key, value, ttl):
            raise Unavailable("store", "gone")

        async def recall(self, key):
            raise Unavailable("store", "gone")

    gateway = Direct(House(), memory=Gone(), require=Require.AUTO)
    assert 1 == len(await gateway.ask(request("wrong", identifier=1)))
    assert [] == await gateway.ask(request("wrong", signed=False, identifier=2))
    assert [Reason.WRONG_PASSWORD, Reason.STORE_UNAVAILABLE] == gateway.reasons()


async def test_a_generation_is_released_when_nothing_of_it_waits_or_is_handled():
    house = House()
    house.phones.held = asyncio.Event()
    gateway = Direct(house, rules=Rules(reject_delay=0.0, max_in_flight=1))
    gateway.send(request("right", identifier=1))
    gateway.send(request("right", identifier=2))
    await asyncio.sleep(0)
    released = asyncio.ensure_future(gateway.server.release(gateway.generation))
    done, _ = await asyncio.wait({released}, timeout=0.15)
    assert not done
    house.phones.held.set()
    await asyncio.wait_for(released, 10)
    assert 2 == len(gateway.replies)


async def test_the_loop_goes_on_while_a_reload_reads(write, monkeypatch):
    path = write(CONFIGURATION)
    service = Service(path, load(path))
    await service.start()
    reading, go_on = threading.Event(), threading.Event()

    def slow(path):
        reading.set()
        assert go_on.wait(PATIENCE)
        return load(path)

    monkeypatch.setattr(app, "load", slow)
    reloads = [asyncio.create_task(service.reload()) for _ in range(2)]
    assert await asyncio.to_thread(reading.wait, PATIENCE)
    before = service._running[-1]
    go_on.set()
    await asyncio.gather(*reloads)
    assert before is not service._running[-1]
    assert before.identity == service._running[-1].identity
    await service.stop()


async def test_a_reload_that_meets_the_end_starts_nothing(write):
    path = write(CONFIGURATION)
    service = Service(path, load(path))
    await service.start()
    before = service._running[-1]
    reloading = asyncio.create_task(service.reload())
    await asyncio.sleep(0)
    await service.stop()
    await reloading
    assert [before] == service._running


async def test_a_generation_that_ends_while_the_service_does_leaves_the_next_to_be_drained(write):
    path = write(CONFIGURATION)
    service = Service(path, load(path))
    await service.start()
    before = service._running[-1].dialog
    gate, asked, rung = asyncio.Event(), asyncio.Event(), asyncio.Event()
    before._supervisor.run(gate.wait())
    await service.reload()

    async def ring():
        await before.drain()
        asked.set()
        for _ in range(20):  # longer than it takes the one before to be retired
            await asyncio.sleep(0)
        rung.set()

    service._running[-1].dialog._supervisor.run(ring())
    stopping = asyncio.create_task(service.stop())
    await asyncio.sleep(0)
    gate.set()
    await asyncio.wait_for(asked.wait(), PATIENCE)
    await asyncio.wait_for(stopping, PATIENCE)
    assert rung.is_set()


async def test_a_ring_that_ends_after_a_reload_is_followed(write, monkeypatch):
    monkeypatch.setattr(app, "FOLLOW_EVERY", 0.01)
    path = write(CONFIGURATION)
    service = Service(path, load(path))
    await service.start()
    provider = service._running[0].delivery["twilio"]
    gate, asked, told = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def place(order, deadline):
        await gate.wait()
        return Placed("CA1")

    async def progress(calls):
        asked.set()
        return dict.fromkeys(calls, CallStatus.BUSY)

    provider.place, provider.progress = place, progress
    attributes = [(radius.USER_NAME, b"alice"), (radius.USER_PASSWORD, hide(b"right", SECRET, bytes(16)))]
    datagram = radius.encode_request(radius.ACCESS_REQUEST, 1, bytes(16), attributes, SECRET)
    service._server.receive(datagram, ("127.0.0.1", 5000), 3, lambda _: told.set())
    await asyncio.wait_for(told.wait(), 10)
    await service.reload()
    gate.set()
    await asyncio.wait_for(asked.wait(), 10)
    await service.stop()


async def test_housekeeping_that_failed_is_told_and_tried_again(write):
    path, told, again = write(CONFIGURATION), [], asyncio.Event()
    service = Service(path, load(path), log=told.append)

    async def work():
        if told:
            again.set()
        raise TypeError("a secret")

    service._repeat(0.0, work)
    await asyncio.wait_for(again.wait(), 10)
    await service.stop()
    assert "housekeeping failed: TypeError" == told[0].detail
    assert isinstance(told[0], Lifecycle)


async def test_what_needs_a_restart_is_said_at_every_reload_until_it_is_taken_back(write):
    path, told = write(CONFIGURATION), []
    service = Service(path, load(path), log=told.append)
    await service.start()

    async def reloaded(configuration):
        write(configuration)
        await service.reload()
        return [record.detail for record in told if record.what == "reloaded"][-1]

    changed = CONFIGURATION + "log: {level: debug}\n"
    assert "needs a restart: log" == await reloaded(changed)
    assert "needs a restart: log" == await reloaded(changed)
    named = changed.replace("0.3s}", "0.3s}\n  other: {address: 127.0.0.2, secret: a shared secret of the tests}")
    assert "needs a restart: log" == await reloaded(named), "and what needs none is in force"
    assert "" == await reloaded(CONFIGURATION)
    await service.stop()


def test_what_is_in_force_after_a_reload_is_the_new_file_but_for_keys_that_need_a_restart(write):
    running = load(write(CONFIGURATION)).settings
    other = CONFIGURATION.replace("reject_delay: 0s", "reject_delay: 2s, workers: 2").replace("memory", "sqlite")
    other = other.replace("audit.jsonl", "other.jsonl").replace("0.3s", "1s") + "log: {level: debug}\n"
    foundation = FOUNDATION.replace("127.0.0.1:0", "127.0.0.1:9812").replace("ACME VPN", "Other VPN")
    wanted = load(write(other, foundation)).settings
    in_force = until_restart(running, wanted)
    needed = ["server.workers", "store", "admin.listen", "audit", "log"]
    assert needed == restart_needed(running, wanted)
    assert [] == restart_needed(running, in_force)
    assert needed == restart_needed(in_force, wanted)
    assert (2.0, 1.0) == (in_force.server.reject_delay, in_force.clients["gateway"].answer_within)
    assert "Other VPN" == in_force.delivery.friendly_name


async def test_what_was_held_back_of_identical_rejects_is_written_though_nothing_follows(write, monkeypatch):
    monkeypatch.setattr(app, "TIDY_EVERY", 0.01)
    monkeypatch.setattr(repeats, "PERIOD", 0.05)
    path, written = write(CONFIGURATION), asyncio.Event()
    service = Service(path, load(path), log=lambda record: getattr(record, "repeated", 0) and written.set())
    await service.start()
    attributes = [(radius.USER_NAME, b"alice"), (radius.USER_PASSWORD, hide(b"wrong", SECRET, bytes(16)))]
    datagram = radius.encode_request(radius.ACCESS_REQUEST, 1, bytes(16), attributes, SECRET)
    for port in range(5000, 5003):
        service._server.receive(datagram, ("127.0.0.1", port), 3, lambda _: None)
    await asyncio.wait_for(written.wait(), PATIENCE)
    await service.stop()


def test_a_request_is_known_for_as_long_as_it_may_be_handled(write):
    path = write(CONFIGURATION.replace("0.3s", "40s"))
    assert 40 < server_rules(load(path).settings).duplicate_window


async def test_namesakes_of_two_sources_are_two_people(write, shared):
    two = FOUNDATION.replace("users.yaml}", "users.yaml}\n  others: {type: users_file, path: others.yaml}")
    policies = (
        "policies: {default: {first_factor: people, directory: people}, o: {first_factor: others, directory: others}}\n"
    )
    built = build(load(write(CONFIGURATION + policies, two)).settings, shared)
    alice = User("alice", "alice")
    assert 2 == len({policy.person(alice) for policy in built.dialog._parts.policies.values()})
