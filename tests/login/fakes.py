"""A login without sockets: a real memory store, a clock that is turned by hand, and phones that are lists."""

import asyncio
from dataclasses import dataclass, field

from radius_voice.events import Outcome, Reason, Trace
from radius_voice.login.codes import Keys
from radius_voice.login.dialog import Dialog
from radius_voice.login.limits import Limits
from radius_voice.login.model import (
    Attempt,
    CallStatus,
    Denied,
    Limit,
    NotPlaced,
    Passed,
    Placed,
    Unavailable,
    User,
)
from radius_voice.login.parts import Parts
from radius_voice.login.phone import Phone
from radius_voice.login.policy import Policy
from radius_voice.stores.memory import MemoryStore

ALICE = User("alice-id", "alice", (Phone("+12025550123"), Phone("+12025550124")))


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


class Phones:
    """A provider whose answers are written beforehand; without any it places every call."""

    def __init__(self, *answers, name="fake"):
        self.name = name
        self.orders = []
        self.hung_up = []
        self.answers = list(answers)
        self.statuses = {}
        self.held = None
        self.broken = False

    async def place(self, order, deadline):
        self.orders.append(order)
        if self.held is not None:
            await self.held.wait()
        answer = self.answers.pop(0) if self.answers else Placed(f"{self.name}{len(self.orders)}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def progress(self, calls):
        if self.broken:
            raise Unavailable(self.name, "down")
        return {call: self.statuses.get(call.reference, CallStatus.RINGING) for call in calls}

    async def hang_up(self, call):
        if self.broken:
            raise Unavailable(self.name, "down")
        self.hung_up.append(call.reference)

    @property
    def codes(self):
        return [order.script.code for order in self.orders]


class People:
    """A first factor and directory; `down` makes it unavailable, each verification releases `begun` and waits for `held`."""

    def __init__(self, *users, password="right"):
        self.users = {user.name: user for user in users}
        self.password = password
        self.verified = 0
        self.begun = asyncio.Semaphore(0)
        self.down = False
        self.held = None

    async def verify(self, claim, deadline):
        if self.down:
            raise Unavailable("people", "down")
        self.verified += 1
        self.begun.release()
        if self.held is not None:
            await self.held.wait()
        if claim.name not in self.users:
            return Denied(Reason.UNKNOWN_USER)
        return Passed() if claim.password == self.password else Denied(Reason.WRONG_PASSWORD, claim.name)

    async def find(self, name, deadline):
        if self.down:
            raise Unavailable("people", "down")
        return self.users.get(name)

    async def get(self, user_id, deadline):
        if self.down:
            raise Unavailable("people", "down")
        return next((user for user in self.users.values() if user.id == user_id), None)


@dataclass
class House:
    people: People = field(default_factory=lambda: People(ALICE))
    providers: tuple = field(default_factory=lambda: (Phones(),))
    limits: Limits = field(default_factory=Limits)
    policy: dict = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    answer_within: float = 2.5

    def __post_init__(self):
        self.records = []
        self.store = MemoryStore(self.clock)
        self.packets = 0
        rules = {
            "name": "default",
            "first_factor_name": "people",
            "directory_name": "people",
            "first_factor": self.people,
            "directory": self.people,
            "digits": 6,
            "lifetime": 120.0,
            "tries": 3,
            "redials": 2,
            "ring": 30,
            "cap": 360.0,
        }
        self._policy = Policy(**{**rules, **self.policy})
        self.use(self.store)

    def use(self, store):
        """Begin anew on that store, as after a restart."""
        self.store = store
        voice = {provider.name: provider for provider in self.providers}
        self.dialog = Dialog(
            Parts(
                keys=Keys(b"k" * 32),
                store=store,
                limits=self.limits,
                policies={"default": self._policy},
                voice=voice,
                live=voice,
                friendly_name="ACME VPN",
                observer=self.records.append,
                now=self.clock,
                clock=lambda: asyncio.get_running_loop().time(),
            )
        )

    @property
    def phones(self):
        return self.providers[0]

    def attempt(
        self, password="right", *, state=None, name="alice", client="vpn", source="192.0.2.9", packet=None, late=0.0
    ):
        self.packets += 1
        arrived = asyncio.get_running_loop().time() - late
        return Attempt(
            client=client,
            policy="default",
            name=name,
            password=password,
            source=source,
            packet=packet or self.packets.to_bytes(16),
            arrived=arrived,
            answer_by=arrived + self.answer_within,
            state=state,
            guess=f"{name}\0{password}".encode(),
        )

    async def begin(self, password="right", **more):
        return await self.dialog.begin(self.attempt(password, **more), Trace(0.0, self.clock))

    async def answer(self, typed, challenge, **more):
        state = challenge if isinstance(challenge, bytes) else challenge.state
        return await self.dialog.answer(self.attempt(typed, state=state, **more), Trace(0.0, self.clock))


def told(decision):
    return (decision.outcome, decision.reason)


def limit(name, burst, reason, period=600.0):
    return Limit(name, burst, period, reason)


NOT_PLACED = NotPlaced("down", outage=True)
ACCEPTED = (Outcome.ACCEPT, Reason.CODE_RIGHT)
