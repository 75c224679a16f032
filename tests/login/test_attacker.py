"""An attacker who knows a thousand passwords and sends arbitrary requests causes no call beyond the limits."""

import asyncio
import random
import sys
from collections import defaultdict

import pytest

from radius_voice.login.flow import LoginFlow
from radius_voice.login.limits.rate_limits import remaining
from radius_voice.login.model import CallStatus, User
from radius_voice.login.phone import Phone, country_of
from radius_voice.resources import shipped
from radius_voice.trace import Trace
from radius_voice.wiring.adapters import load
from radius_voice.wiring.limits import limits_of
from tests.login.harness import FakeDirectory, FakeProvider, LoginHarness
from tests.support.stores import STORE_TYPES, open_store

USERS = [User(f"id{n}", f"user{n}", (Phone(f"+1202555{n:04}"), Phone(f"+4420794{n:05}"))) for n in range(1000)]
STEPS = 250
PAUSES = [0.0, 0.0, 0.0, 0.1, 1.0, 7.0, 31.0, 125.0, 400.0, 3700.0]


def shipped_limits():
    environ = {"OFFICE_VPN_SECRET": "a secret of the office vpn", "TWILIO_AUTH_TOKEN": "token"}
    return limits_of(load(shipped("config") / "minimal.yaml", environ).settings)


def respects_limit(limit, times):
    """Whether calls at these times keep to a limit: at most its burst and the refill since."""
    tat = 0.0
    for at in times:
        if remaining(tat, limit, at) < 1:
            return False
        tat = max(tat, at) + limit.period / limit.burst
    return True


class Attacker:
    """At most three nodes, one store, and one clock that the attacker advances."""

    def __init__(self, store, clock, nodes, seed, monkeypatch):
        self.random = random.Random(seed)
        self.provider = FakeProvider()
        self.calls: list[tuple[float, Phone]] = []
        harness = LoginHarness(
            directory=FakeDirectory(*USERS), providers=(self.provider,), limits=shipped_limits(), clock=clock
        )
        self.harness, self.clock = harness, clock
        harness.restart_with(store)
        self.nodes = [LoginFlow(harness.flow._dependencies) for _ in range(nodes)]
        self.states = []
        place = self.provider.place

        async def placed(request, deadline):
            self.calls.append((clock(), request.phone))
            return await place(request, deadline)

        monkeypatch.setattr(self.provider, "place", placed)

    async def action(self):
        """Several concurrent packets, at any node, from any address, with any user name."""
        packets = self.random.choice([1, 1, 3, 30])
        targets = self.random.choice([USERS[:1], USERS[:5], USERS])
        decisions = await asyncio.gather(*(self.packet(self.random.choice(targets)) for _ in range(packets)))
        self.states += [decision.state for decision in decisions if decision.state]
        if self.random.random() < 0.3:
            for number in range(len(self.provider.requests)):
                self.provider.statuses[f"fake{number + 1}"] = CallStatus.NO_ANSWER
            for node in self.nodes:
                await node.follower.poll()
        self.clock.now += self.random.choice(PAUSES)

    def packet(self, user):
        node = self.random.choice(self.nodes)
        trace = Trace(0.0, self.clock)
        where = {
            "client": self.random.choice(["vpn", "other", "third"]),
            "calling_station_id": self.random.choice(["", "192.0.2.9", f"198.51.100.{self.random.randrange(250)}"]),
            "name": user.name,
            "packet": self.random.choice([None, self.random.randrange(50).to_bytes(16)]),
        }
        if self.states and self.random.random() < 0.4:
            typed = self.random.choice(["phone", "phone2", "wrong"])
            return node.respond(
                self.harness.request(typed, state=self.random.choice(self.states[-20:]), **where), trace
            )
        return node.begin(self.harness.request(**where), trace)


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("kind", STORE_TYPES)
async def test_an_attacker_causes_no_call_beyond_the_configured_limits(
    kind, nodes, tmp_path, clock, record_property, monkeypatch
):
    seed = random.randrange(1 << 32)
    record_property("seed", seed)
    sys.stdout.write(f"seed {seed}\n")
    async with open_store(kind, tmp_path, clock) as store:
        attacker = Attacker(store, clock, nodes, seed, monkeypatch)
        for _ in range(STEPS):
            await attacker.action()
        for node in attacker.nodes:
            await node.drain()
    limits = shipped_limits()
    times: dict[object, list[float]] = defaultdict(list)
    for at, phone in attacker.calls:
        times["all"].append(at)
        times["phone", phone].append(at)
        times["country", country_of(phone)].append(at)
        times["person", int(phone.address[-4:])].append(at)
    assert respects_limit(limits.calls["total"], times["all"])
    assert respects_limit(limits.daily["total"], times["all"])
    for (scope, *_), called in ((key, each) for key, each in times.items() if isinstance(key, tuple)):
        for rules in (limits.calls, limits.daily):
            assert scope not in rules or respects_limit(rules[scope], called), (scope, seed)
    assert 100 < len(attacker.calls), "an attack without calls proves nothing"


def test_the_check_detects_one_call_too_many():
    limit = shipped_limits().calls["user"]
    assert respects_limit(limit, [0.0] * limit.burst)
    assert not respects_limit(limit, [0.0] * (limit.burst + 1))
