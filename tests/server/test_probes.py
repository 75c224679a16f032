"""Health checks with a client's probe user: the configured response, without a login."""

import asyncio

import pytest

from radius_voice.events import Outcome, ProbeRecord, Reason
from radius_voice.login.model import Unavailable
from radius_voice.radius import packet as radius
from radius_voice.server.clients import Probe, Require
from radius_voice.server.generation import Rules
from radius_voice.server.probes import MAX_STATIONS, WRONG_PASSWORDS, Probes
from radius_voice.stores.memory import MemoryStore
from tests.login.harness import Clock, LoginHarness
from tests.server.test_time import InProcessClient, request

PASSWORD = "only for the health checks"
CONFIGURATION = f"""\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}}
clients:
  accepting:
    address: 127.0.0.1
    secret: a shared secret of the tests
    probe: {{user: Health-Check, response: accept, password: {PASSWORD}}}
  rejecting:
    address: 127.0.0.2
    secret: a shared secret of the tests
    probe: {{user: health-check}}
"""
STATION = (radius.CALLING_STATION_ID, b"203.0.113.9")
OTHER_STATION = (radius.CALLING_STATION_ID, b"203.0.113.10")


def name(text):
    return (radius.USER_NAME, text)


@pytest.fixture(scope="module")
def alice(make_user):
    return make_user()


@pytest.fixture
def server(start_server, alice):
    with start_server(CONFIGURATION, [alice]) as server:
        yield server


@pytest.mark.parametrize("typed", [b"health-check", b"HEALTH-check "])
def test_the_configured_password_is_accepted_without_a_call_or_an_audit_record(server, typed):
    gateway = server.client()
    reply = gateway.exchange([name(typed)], PASSWORD)
    assert radius.ACCESS_ACCEPT == reply.code
    assert [radius.MESSAGE_AUTHENTICATOR] == [kind for kind, _ in reply.attributes]
    assert [] == server.audit(kind="request")
    assert 1 == server.metric("radius_voice_probes_total", client="accepting", outcome="accept")
    assert 0 == server.metric("radius_voice_requests_total", client="accepting")


def test_a_client_without_a_password_for_probes_rejects_all_of_them(server):
    gateway = server.client("127.0.0.2")
    for password in (PASSWORD, "another", None):
        assert radius.ACCESS_REJECT == gateway.exchange([name(b"health-check")], password).code
    assert [] == server.audit(kind="request")
    assert 3 == server.metric("radius_voice_probes_total", client="rejecting", outcome="reject")


def test_a_wrong_password_is_a_reject_with_an_audit_record_and_users_log_in_as_before(server, alice):
    gateway = server.client()
    reply = gateway.exchange([name(b"health-check"), STATION], "wrong")
    assert radius.ACCESS_REJECT == reply.code
    (record,) = server.audit(kind="request")
    assert ("wrong_password", "clients.accepting.probe") == (record["reason"], record["rule"])
    assert {"user", "typed_user"}.isdisjoint(record)
    assert 0 == server.metric("radius_voice_probes_total")
    assert radius.ACCESS_CHALLENGE == gateway.start_login(alice, STATION).code


# In process


def probe_request(password, *attributes, **more):
    return request(password, *attributes, user=b"health-check", **more)


class Prober(InProcessClient):
    """A client with a probe user."""

    async def code(self, *words, **more):
        """The code of the response to a request of the probe user, None if there is none."""
        replies = await self.exchange(probe_request(*words, **more))
        return replies[0].code if replies else None


def prober(store=None, require=Require.YES):
    probe, rules = Probe("health-check", PASSWORD.encode()), Rules(reject_delay=0.0, max_concurrent=1, max_queued=0)
    return Prober(LoginHarness(), store, require, rules, probe=probe)


async def test_a_health_check_is_answered_while_the_server_is_busy():
    gateway = prober()
    gateway.harness.provider.gate = asyncio.Event()
    gateway.send(request("right"))
    await gateway.harness.provider.placements_started.acquire()
    gateway.send(probe_request(PASSWORD, identifier=2))
    await asyncio.sleep(0)
    assert [radius.ACCESS_ACCEPT] == [reply[0] for reply in gateway.replies]
    gateway.harness.provider.gate.set()
    await gateway.server.drain()
    assert [radius.ACCESS_ACCEPT, radius.ACCESS_CHALLENGE] == [reply[0] for reply in gateway.replies]


async def test_no_health_check_reaches_the_directory_or_the_store():
    gateway = prober()
    gateway.harness.directory.unavailable = True
    for password in (PASSWORD, "wrong"):
        await gateway.code(password)
    assert [] == gateway.harness.directory.verified_names
    assert [ProbeRecord(gateway.harness.clock.now, "vpn", Outcome.ACCEPT)] == [
        record for record in gateway.records if isinstance(record, ProbeRecord)
    ]
    assert [Reason.WRONG_PASSWORD] == gateway.reasons()


async def test_a_station_with_many_wrong_passwords_is_rejected_with_the_right_one_too():
    gateway = prober()
    for _ in range(WRONG_PASSWORDS.burst):
        assert radius.ACCESS_REJECT == await gateway.code("wrong", STATION)
    assert radius.ACCESS_REJECT == await gateway.code(PASSWORD, STATION)
    assert Reason.WRONG_PASSWORD_LIMIT == gateway.reasons()[-1]
    assert radius.ACCESS_ACCEPT == await gateway.code(PASSWORD, OTHER_STATION)
    assert radius.ACCESS_ACCEPT == await gateway.code(PASSWORD)


async def test_wrong_passwords_without_a_station_do_not_fail_the_checks_of_the_gateway():
    gateway = prober()
    for _ in range(WRONG_PASSWORDS.burst + 1):
        assert radius.ACCESS_REJECT == await gateway.code("wrong")
    assert radius.ACCESS_ACCEPT == await gateway.code(PASSWORD)


async def test_the_limit_ends(monkeypatch):
    clock = Clock()
    gateway = prober()
    gateway.server._probes = Probes(clock)
    for _ in range(WRONG_PASSWORDS.burst):
        await gateway.code("wrong", STATION)
    assert radius.ACCESS_REJECT == await gateway.code(PASSWORD, STATION)
    clock.now += WRONG_PASSWORDS.period / WRONG_PASSWORDS.burst
    assert radius.ACCESS_ACCEPT == await gateway.code(PASSWORD, STATION)


async def test_the_counted_stations_are_limited(monkeypatch):
    monkeypatch.setattr("radius_voice.server.probes.MAX_STATIONS", 2)
    assert MAX_STATIONS > 2
    gateway = prober()
    for station in (b"1", b"2", b"3"):
        for _ in range(WRONG_PASSWORDS.burst):
            await gateway.code("wrong", (radius.CALLING_STATION_ID, station))
    codes = [await gateway.code(PASSWORD, (radius.CALLING_STATION_ID, station)) for station in (b"1", b"2", b"3")]
    assert [radius.ACCESS_ACCEPT, radius.ACCESS_REJECT, radius.ACCESS_REJECT] == codes


async def test_a_probe_with_another_method_is_rejected():
    gateway = prober()
    chap = (radius.CHAP_PASSWORD, bytes(17))
    assert radius.ACCESS_REJECT == await gateway.code(PASSWORD, chap)
    assert [Reason.BAD_REQUEST] == gateway.reasons()


async def test_a_probe_without_message_authenticator_is_held_to_the_setting_of_its_client(monkeypatch):
    store = MemoryStore(Clock())
    gateway = prober(store, Require.AUTO)
    assert radius.ACCESS_ACCEPT == await gateway.code(PASSWORD, signed=False)

    async def signers(key):
        return b"192.0.2.1"

    monkeypatch.setattr(store, "get", signers)
    assert await gateway.code(PASSWORD, signed=False, identifier=2) is None

    async def unavailable(key):
        raise Unavailable("store", "down")

    gateway = prober(store, Require.AUTO)
    monkeypatch.setattr(store, "get", unavailable)
    assert await gateway.code(PASSWORD, signed=False) is None
    assert [Reason.STORE_UNAVAILABLE] == gateway.reasons()


def test_no_password_is_in_a_probes_repr():
    assert PASSWORD not in repr(Probe("health-check", PASSWORD.encode()))
