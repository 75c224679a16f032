"""Somebody who knows a thousand passwords and sends what they like, when they like: not one call beyond the limits."""

import asyncio
import random
import sys
from collections import defaultdict
from dataclasses import replace

import pytest

from radius_voice.build import limits_of
from radius_voice.config.load import load
from radius_voice.login.dialog import Dialog
from radius_voice.login.limits import left_of
from radius_voice.login.model import CallStatus, User
from radius_voice.login.phone import Phone, country_of
from radius_voice.resources import shipped
from tests.login.fakes import House, People, Phones
from tests.stores.kinds import KINDS, opened

PEOPLE = [User(f"id{n}", f"user{n}", (Phone(f"+1202555{n:04}"), Phone(f"+4420794{n:05}"))) for n in range(1000)]
STEPS = 250
PAUSES = [0.0, 0.0, 0.0, 0.1, 1.0, 7.0, 31.0, 125.0, 400.0, 3700.0]


def shipped_limits():
    environ = {"OFFICE_VPN_SECRET": "a secret of the office vpn", "TWILIO_AUTH_TOKEN": "token"}
    return limits_of(load(shipped("config") / "minimal.yaml", environ).settings)


def within(limit, times):
    """Whether calls at these times keep to a limit: at most its burst and what was given back meanwhile."""
    full_at = 0.0
    for at in times:
        if left_of(full_at, limit, at) < 1:
            return False
        full_at = max(full_at, at) + limit.period / limit.burst
    return True


class Attacker:
    """Three nodes at most, one store, and one clock that the attacker turns."""

    def __init__(self, store, clock, nodes, seed):
        self.random = random.Random(seed)
        self.phones = Phones()
        self.calls = []
        house = House(people=People(*PEOPLE), providers=(self.phones,), limits=shipped_limits(), clock=clock)
        self.house, self.clock = house, clock
        parts = replace(house.dialog._parts, store=store)
        self.nodes = [Dialog(parts) for _ in range(nodes)]
        self.states = []
        place = self.phones.place

        async def placed(order, deadline):
            self.calls.append((clock(), order.phone))
            return await place(order, deadline)

        self.phones.place = placed

    async def act(self):
        """Some packets at once, at any node, from anywhere, as anybody."""
        packets = self.random.choice([1, 1, 3, 30])
        crowd = self.random.choice([PEOPLE[:1], PEOPLE[:5], PEOPLE])
        decisions = await asyncio.gather(*(self.packet(self.random.choice(crowd)) for _ in range(packets)))
        self.states += [decision.state for decision in decisions if decision.state]
        if self.random.random() < 0.3:
            for number in range(len(self.phones.orders)):
                self.phones.statuses[f"fake{number + 1}"] = CallStatus.NO_ANSWER
            for node in self.nodes:
                await node.follower.poll()
        self.clock.now += self.random.choice(PAUSES)

    def packet(self, user):
        node = self.random.choice(self.nodes)
        trace = _Ignored()
        where = {
            "client": self.random.choice(["vpn", "other", "third"]),
            "source": self.random.choice(["", "192.0.2.9", f"198.51.100.{self.random.randrange(250)}"]),
            "name": user.name,
            "packet": self.random.choice([None, self.random.randrange(50).to_bytes(16)]),
        }
        if self.states and self.random.random() < 0.4:
            typed = self.random.choice(["phone", "phone2", "wrong"])
            return node.answer(self.house.attempt(typed, state=self.random.choice(self.states[-20:]), **where), trace)
        return node.begin(self.house.attempt(**where), trace)


class _Ignored:
    def step(self, name, detail=""):
        pass


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
async def test_not_one_call_beyond_the_written_limits(kind, nodes, tmp_path, clock, record_property):
    seed = random.randrange(1 << 32)
    record_property("seed", seed)
    sys.stdout.write(f"seed {seed}\n")
    async with opened(kind, tmp_path, clock) as store:
        attacker = Attacker(store, clock, nodes, seed)
        for _ in range(STEPS):
            await attacker.act()
        for node in attacker.nodes:
            await node.drain()
    limits = shipped_limits()
    times = defaultdict(list)
    for at, phone in attacker.calls:
        times["all"].append(at)
        times["phone", phone].append(at)
        times["country", country_of(phone)].append(at)
        times["person", int(phone.e164[-4:])].append(at)
    assert within(limits.calls["all"], times["all"])
    assert within(limits.daily["all"], times["all"])
    for (scope, *_), called in ((key, each) for key, each in times.items() if isinstance(key, tuple)):
        for rules in (limits.calls, limits.daily):
            assert scope not in rules or within(rules[scope], called), (scope, seed)
    assert 100 < len(attacker.calls), "an attack that calls nobody shows nothing"


def test_the_check_sees_a_call_too_many():
    limit = shipped_limits().calls["person"]
    assert within(limit, [0.0] * limit.burst)
    assert not within(limit, [0.0] * (limit.burst + 1))
