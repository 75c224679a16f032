"""The login flow without sockets: a memory store, a clock that tests set, a fake provider and a fake directory."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from radius_voice.events import Outcome, Reason, SecondFactorMode
from radius_voice.login.accounts import Account
from radius_voice.login.codes.keys import Keys
from radius_voice.login.deliveries.callbacks import delivery_id_in
from radius_voice.login.deliveries.circuit_breaker import CircuitBreaker
from radius_voice.login.deliveries.code_message import Say
from radius_voice.login.deliveries.requests import NotPlaced, Placed
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.flow import LoginFlow
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import (
    Authenticated,
    AuthRequest,
    CallStatus,
    Denied,
    Limit,
    Method,
    PapPassword,
    Unavailable,
    User,
)
from radius_voice.login.phone import Phone
from radius_voice.login.policies.policy import Policy, UserRules
from radius_voice.stores.memory import MemoryStore
from radius_voice.trace import Trace
from tests.support.polling import wait_in_loop

ALICE = User("alice-id", "alice", (Phone("+12025550123"), Phone("+12025550124")))


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


class FakeProvider:
    """A provider with scripted `results`; without any it places every call.

    Each placement releases `placements_started` and waits for `gate`.
    """

    verifier: Any = None

    def __init__(self, *results, name="fake"):
        self.name = name
        self.requests = []
        self.hung_up = []
        self.spoken = []
        self.results = list(results)
        self.statuses = {}
        self.placements_started = asyncio.Semaphore(0)
        self.gate = None
        self.unavailable = False

    async def place(self, request, deadline):
        self.requests.append(request)
        self.placements_started.release()
        if self.gate is not None:
            await self.gate.wait()
        result = self.results.pop(0) if self.results else Placed(f"{self.name}{len(self.requests)}")
        if isinstance(result, Exception):
            raise result
        return result

    async def progress(self, calls):
        if self.unavailable:
            raise Unavailable(self.name, "down")
        return {call: self.statuses.get(call.reference, CallStatus.RINGING) for call in calls}

    async def hang_up(self, call):
        if self.unavailable:
            raise Unavailable(self.name, "down")
        self.hung_up.append(call.reference)

    def receive(self, request):
        """The callback that a test has put in place of the headers."""
        return request.headers

    def rendered(self, script, request):
        """The type of a script, and the texts that it speaks."""
        spoken = [line.text for line in getattr(script, "lines", ()) if isinstance(line, Say)]
        return type(script).__name__, " ".join(spoken) or "nothing"

    async def speak(self, call, script):
        if self.unavailable:
            raise Unavailable(self.name, "down")
        self.spoken.append((call.reference, self.rendered(script, None)[1]))

    message_control = None

    async def check_account(self, countries=()):
        return []

    async def close(self):
        pass

    @property
    def call_control(self):
        return self

    @property
    def codes(self):
        return [request.message.code for request in self.requests]


class FakeDirectory:
    """A first factor and directory. Each verification releases `verifications_started` and waits for `gate`."""

    def __init__(self, *users, password="right"):
        self.users = {user.name: user for user in users}
        self.password = password
        self.verified_names = []
        self.accepts_every_name = False
        self.verifications_started = asyncio.Semaphore(0)
        self.unavailable = False
        self.gate = None
        self.password_id_now = "first"
        self.lockout = None
        self.finds_accounts = False

    async def account(self, verification, deadline):
        user = self.users.get(verification.user_name) if self.finds_accounts else None
        return Account(user.id if user else "", self.lockout)

    async def verify(self, verification, deadline):
        if self.unavailable:
            raise Unavailable("people", "down")
        self.verified_names.append(verification.user_name)
        self.verifications_started.release()
        if self.gate is not None:
            await self.gate.wait()
        user = self.users.get(verification.user_name)
        if self.accepts_every_name:
            return Authenticated("any-id")
        if user is None:
            return Denied(Reason.UNKNOWN_USER)
        if verification.credentials.text != self.password:
            return Denied(Reason.WRONG_PASSWORD, user.name)
        return Authenticated(user.id, user, self.password_id_now)

    @property
    def verifications(self):
        return len(self.verified_names)

    async def password_id(self, user_id, deadline):
        return self.password_id_now if await self.get(user_id, deadline) else ""

    async def find(self, name, deadline):
        if self.unavailable:
            raise Unavailable("people", "down")
        return self.users.get(name)

    async def get(self, user_id, deadline):
        if self.unavailable:
            raise Unavailable("people", "down")
        return next((user for user in self.users.values() if user.id == user_id), None)

    async def close(self):
        pass


@dataclass
class LoginHarness:
    directory: FakeDirectory = field(default_factory=lambda: FakeDirectory(ALICE))
    providers: tuple[FakeProvider, ...] = field(default_factory=lambda: (FakeProvider(),))
    limits: Limits = field(default_factory=Limits)
    policy: dict[str, Any] = field(default_factory=dict)
    other_policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    response_timeout: float = 2.5
    by_method: dict[Method, dict[str, FakeProvider]] = field(default_factory=dict)
    breaker_clock: Callable[[], float] | None = None
    calls_per_second: dict[str, float] = field(default_factory=dict)
    second_factor: SecondFactorMode = SecondFactorMode.CHALLENGE
    public_url: str = ""

    def __post_init__(self):
        self.records = []
        self.store = MemoryStore(self.clock)
        self.packets = 0
        rules = {
            "digits": 6,
            "code_lifetime": 120.0,
            "attempts": 3,
            "redials": 2,
            "ring_timeout": 30,
            "session_timeout": 360.0,
        }
        own = {field.name for field in fields(UserRules)} & self.policy.keys()
        values: dict[str, Any] = {
            "name": "default",
            "first_factor_name": "people",
            "directory_name": "people",
            "first_factor": self.directory,
            "directory": self.directory,
            "rules": UserRules(**rules | {key: self.policy[key] for key in own}),
        }
        names = {each.name for each in self.providers}.union(*self.by_method.values())
        clock = self.breaker_clock
        self._breakers = {name: CircuitBreaker(clock) for name in names} if clock else {}
        self._policy = Policy(**values | {key: self.policy[key] for key in self.policy.keys() - own})
        self.restart_with(self.store)

    async def placement_stored(self):
        """Wait until a placement has started, and its result is stored in the session."""
        await self.provider.placements_started.acquire()
        delivery = delivery_id_in(self.provider.requests[-1].delivery)
        assert delivery is not None

        async def stored():
            session = await self.store.load(delivery.key)
            return session is None or session.delivery.ref is not None

        await wait_in_loop(stored, "the result of the placement is stored")

    def restart_with(self, store):
        """Create the login flow with that store, as after a restart."""
        self.store = store
        others = {name: replace(self._policy, name=name, **more) for name, more in self.other_policies.items()}
        voice: dict[str, Any] = {provider.name: provider for provider in self.providers}
        known = voice | {name: each for order in self.by_method.values() for name, each in order.items()}
        self.flow = LoginFlow(
            Dependencies(
                keys=Keys(b"k" * 32),
                store=store,
                limits=self.limits,
                policies={"default": self._policy} | others,
                providers=self.by_method or {Method.VOICE: voice},
                call_controls=known,
                verifiers={name: each.verifier for name, each in known.items() if each.verifier is not None},
                friendly_name="ACME VPN",
                observer=self.records.append,
                now=self.clock,
                clock=lambda: asyncio.get_running_loop().time(),
                public_url=self.public_url,
                callback_receivers=dict(voice) if self.public_url else {},
                call_speakers=dict(voice),
                approval_providers=dict(voice),
                client_names={"vpn": "the VPN"},
                breakers=self._breakers,
                calls_per_second=self.calls_per_second,
            )
        )

    @property
    def provider(self):
        return self.providers[0]

    def request(
        self,
        password="right",
        *,
        state=None,
        name="alice",
        client="vpn",
        calling_station_id="192.0.2.9",
        packet=None,
        late=0.0,
        attributes=(),
        **more,
    ):
        self.packets += 1
        arrived = asyncio.get_running_loop().time() - late
        return AuthRequest(
            client=client,
            policy="default",
            user_name=name,
            credentials=PapPassword(password),
            calling_station_id=calling_station_id,
            authenticator=packet or self.packets.to_bytes(16),
            arrived=arrived,
            deadline=arrived + self.response_timeout,
            state=state,
            encrypted_credentials=f"{name}\0{password}".encode(),
            attributes=attributes,
            second_factor=self.second_factor,
            **more,
        )

    async def begin(self, password="right", **more):
        return await self.flow.begin(self.request(password, **more), Trace(0.0, self.clock))

    async def answer(self, typed, challenge, **more):
        state = challenge if isinstance(challenge, bytes) else challenge.state
        return await self.flow.respond(self.request(typed, state=state, **more), Trace(0.0, self.clock))


def result_of(decision):
    return (decision.outcome, decision.reason)


def limit(name, burst, reason, period=600.0):
    return Limit(name, burst, period, reason)


NOT_PLACED = NotPlaced("down", outage=True)
ACCEPTED = (Outcome.ACCEPT, Reason.CODE_CORRECT)
