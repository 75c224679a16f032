"""One packet in, at most one packet out: the only place where RADIUS meets the login."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from radius_voice.admission import Admission, Job
from radius_voice.clients import Client, Clients, Require
from radius_voice.events import Discard, Discarded, Event, Lifecycle, Observer, Outcome, Reason, Resent, Trace
from radius_voice.faults import where
from radius_voice.login.model import Attempt, Decision, Unavailable
from radius_voice.nouns import noun
from radius_voice.radius import packet as radius
from radius_voice.radius.duplicates import Duplicates, Origin, Seen
from radius_voice.radius.packet import Attribute, MalformedPacket, Packet
from radius_voice.radius.password import MalformedPassword, reveal, text_of

AUTHORIZE_ONLY, CALL_CHECK = (17).to_bytes(4), (10).to_bytes(4)
MICROSOFT = (311).to_bytes(4)
MS_CHAP = {1, 2, 11, 25}
ECHO = (1).to_bytes(4)
REMEMBERED_FOR = 10 * 365 * 86400.0
JITTER = 0.1
RELEASE_EVERY = 0.1
ROOM_FOR_REPLY = 1024
_REPLY_CODES = {
    Outcome.ACCEPT: radius.ACCESS_ACCEPT,
    Outcome.REJECT: radius.ACCESS_REJECT,
    Outcome.CHALLENGE: radius.ACCESS_CHALLENGE,
}
Send = Callable[[bytes], None]
Tap = Callable[[str, str, bytes], None]
"""Sees every packet of a known client: `<-` or `->`, the client's name, the octets."""


class Answers(Protocol):
    """What a server asks of the login."""

    async def begin(self, attempt: Attempt, trace: Trace) -> Decision: ...  # noqa: D102

    async def answer(self, attempt: Attempt, trace: Trace) -> Decision: ...  # noqa: D102


class Memory(Protocol):
    """What a server asks of the store."""

    async def remember(self, key: bytes, value: bytes, ttl: float) -> None: ...  # noqa: D102

    async def recall(self, key: bytes) -> bytes | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """What one configuration makes of packets. `encode` turns a reply attribute's name and value to octets."""

    clients: Clients
    dialog: Answers
    encode: Callable[[str, str], Attribute]


@dataclass(frozen=True, slots=True)
class Rules:
    """How packets are handled, whoever sends them: seconds and counts."""

    reject_delay: float = 1.0
    duplicate_window: float = 10.0
    max_in_flight: int = 256
    max_waiting: int = 1024
    status_server: bool = True


@noun
class _Request:
    """A verified packet with all that is needed to answer it."""

    packet: Packet
    client: Client
    secret: bytes = field(repr=False)
    source: str
    origin: Origin
    send: Send
    arrived: float
    at: float
    generation: Generation


class Server:
    """Receives datagrams from listeners and answers them through the present generation."""

    def __init__(
        self,
        generation: Generation,
        rules: Rules,
        memory: Memory,
        observer: Observer,
        now: Callable[[], float],
        tap: Tap | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = time.monotonic  # uvloop's own time is whole milliseconds of the same clock
        self._generation = generation
        self._rules = rules
        self._memory = memory
        self._observer = observer
        self._now = now
        self._tap = tap
        self._duplicates = Duplicates(rules.duplicate_window)
        self._admission = Admission(rules.max_in_flight, rules.max_waiting, self._clock)
        self._signs: set[tuple[str, str]] = set()
        self._held: dict[Generation, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._delayed = 0

    @property
    def in_flight(self) -> int:
        """Logins being handled, those whose reject is held back included."""
        return self._admission.in_flight + self._delayed

    def use(self, generation: Generation, rules: Rules) -> None:
        """From the next packet on, this configuration holds. Logins in flight end with theirs."""
        self._generation = generation
        self._rules = rules
        self._duplicates.window = rules.duplicate_window
        self._admission.allow(rules.max_in_flight, rules.max_waiting)

    async def drain(self) -> None:
        """Wait until every packet that was taken has been answered, held-back rejects included."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._delayed:
            await asyncio.sleep(self._rules.reject_delay * (1 + JITTER))

    async def release(self, generation: Generation) -> None:
        """Wait until no packet that this generation took is waiting or being handled."""
        while self._held.get(generation):  # noqa: ASYNC110 - seldom, and nobody waits for it
            await asyncio.sleep(RELEASE_EVERY)
        self._held.pop(generation, None)

    def receive(self, datagram: bytes, peer: tuple[str, int], socket_number: int, send: Send) -> None:
        """One datagram from a listener. Anything that is not authentic ends here, in silence."""
        arrived = self._clock()
        source = peer[0]
        client = self._generation.clients.find(source)
        if client is None:
            self._discard(None, source, Discard.UNKNOWN_CLIENT)
            return
        try:
            packet = radius.decode(datagram)
        except MalformedPacket as problem:
            self._discard(client, source, Discard.MALFORMED, str(problem))
            return
        if packet.code not in (radius.ACCESS_REQUEST, radius.STATUS_SERVER):
            self._discard(client, source, Discard.WRONG_CODE, str(packet.code))
            return
        secret = self._secret_of(packet, client, source)
        if isinstance(secret, Discard):
            self._discard(client, source, secret)
            return
        if self._tap is not None:
            self._tap("<-", client.name, packet.raw)
        origin = (*peer, packet.identifier, socket_number)
        generation = self._generation
        at = self._now()
        request = _Request(packet, client, secret, source, origin, send, arrived, at, generation)
        self._once(request)

    def _secret_of(self, packet: Packet, client: Client, source: str) -> bytes | Discard:
        """The secret that the packet was made with, or why it is not believed."""
        if packet.message_authenticator:
            for secret in client.secrets:
                if radius.verify(packet, secret):
                    return secret
            return Discard.BAD_MESSAGE_AUTHENTICATOR
        eap = packet.first(radius.EAP_MESSAGE) is not None
        if client.require is Require.YES or eap or packet.code == radius.STATUS_SERVER:
            return Discard.NO_MESSAGE_AUTHENTICATOR
        if client.require is Require.AUTO and (client.name, source) in self._signs:
            return Discard.NO_MESSAGE_AUTHENTICATOR
        return client.secrets[0]

    def _once(self, request: _Request) -> None:
        """Handle a request that is new; a retransmission gets silence or the same octets."""
        packet = request.packet
        seen = self._duplicates.ask(request.origin, packet.authenticator, request.arrived)
        if isinstance(seen, bytes):
            self._observer(Resent(request.at, request.client.name))
            request.send(seen)
        elif seen is Seen.IN_PROGRESS:
            self._discard(request.client, request.source, Discard.DUPLICATE)
        elif packet.code == radius.STATUS_SERVER:
            self._status(request)
        else:
            self._admit(request)

    def _status(self, request: _Request) -> None:
        """Answer a Status-Server (RFC 5997 section 3), unless told to keep silent."""
        outcome = Outcome.ACCEPT if self._rules.status_server else Outcome.SILENCE
        self._record(request, Decision(outcome, Reason.STATUS), "", Trace(request.arrived, self._clock))
        if self._rules.status_server:
            self._reply(request, radius.ACCESS_ACCEPT, [])

    def _admit(self, request: _Request) -> None:
        self._held[request.generation] = self._held.get(request.generation, 0) + 1
        if self._admission.enter():
            self._start(request)
            return
        packet, client = request.packet, request.client
        station = packet.first(radius.CALLING_STATION_ID)
        job = Job(
            start=lambda: self._start(request),
            drop=lambda: self._shed(request),
            answers=packet.first(radius.STATE) is not None,
            source=text_of(station) if station else client.name,
            until=request.arrived + client.answer_within,
        )
        self._admission.wait(job)

    def _shed(self, request: _Request) -> None:
        self._held[request.generation] -= 1
        self._duplicates.forget(request.origin, request.packet.authenticator)
        self._discard(request.client, request.source, Discard.OVERLOAD)

    def _start(self, request: _Request) -> None:
        task = self._loop.create_task(self._handle(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, request: _Request) -> None:
        trace = Trace(request.arrived, self._clock)
        station = text_of(request.packet.first(radius.CALLING_STATION_ID) or b"")
        try:
            if not await self._signature_settled(request, trace):
                return
            decision = await self._decide(request, station, trace)
        except Unavailable as problem:
            trace.step("unavailable", str(problem))
            decision = Decision(Outcome.SILENCE, Reason.STORE_UNAVAILABLE)
        except Exception as problem:  # noqa: BLE001 - one login's accident must not end the others
            trace.step("error", where(problem))
            decision = Decision(Outcome.SILENCE, Reason.INTERNAL_ERROR)
            self._observer(Lifecycle(self._now(), "warning", f"internal error: {where(problem)}"))
        finally:
            self._held[request.generation] -= 1
            self._admission.done()
        self._record(request, decision, station, trace)
        self._tell(request, decision)

    async def _signature_settled(self, request: _Request, trace: Trace) -> bool:
        """With `auto`: remember who signs for good, and drop what such a source did not sign."""
        client, pair = request.client, (request.client.name, request.source)
        signed = bool(request.packet.message_authenticator)
        if not signed:
            trace.step("no_message_authenticator")
        if client.require is not Require.AUTO or pair in self._signs:
            return True
        key = f"signs\0{client.name}\0{request.source}".encode()
        if signed:
            with suppress(Unavailable):  # the next one is remembered; what this one gets is for the policy to say
                await self._memory.remember(key, b"1", REMEMBERED_FOR)
                self._signs.add(pair)
        elif await self._memory.recall(key):
            self._signs.add(pair)
            self._shed_unsigned(request)
            return False
        return True

    def _shed_unsigned(self, request: _Request) -> None:
        self._duplicates.forget(request.origin, request.packet.authenticator)
        self._discard(request.client, request.source, Discard.NO_MESSAGE_AUTHENTICATOR)

    async def _decide(self, request: _Request, station: str, trace: Trace) -> Decision:
        packet, client = request.packet, request.client
        refused = _unfit(packet)
        if refused is not None:
            return Decision(Outcome.REJECT, refused)
        try:
            hidden = packet.first(radius.USER_PASSWORD) or b""
            password = text_of(reveal(hidden, request.secret, packet.authenticator))
        except MalformedPassword:
            return Decision(Outcome.REJECT, Reason.BAD_REQUEST)
        attempt = Attempt(
            client=client.name,
            policy=client.policy,
            name=text_of(packet.first(radius.USER_NAME) or b""),
            password=password,
            source=station,
            packet=packet.authenticator,
            arrived=request.arrived,
            answer_by=request.arrived + client.answer_within,
            state=packet.first(radius.STATE),
        )
        dialog = request.generation.dialog
        return await (dialog.begin(attempt, trace) if attempt.state is None else dialog.answer(attempt, trace))

    def _tell(self, request: _Request, decision: Decision) -> None:
        if decision.outcome is Outcome.SILENCE:
            self._duplicates.forget(request.origin, request.packet.authenticator)
            return
        attributes: list[Attribute] = []
        if decision.text and request.packet.first(radius.EAP_MESSAGE) is None:
            attributes.append((radius.REPLY_MESSAGE, decision.text.encode()))
        if decision.outcome is Outcome.CHALLENGE:
            attributes += [(radius.STATE, decision.state), (radius.PROMPT, ECHO)]
        attributes += [request.generation.encode(name, value) for name, value in decision.reply]
        code = _REPLY_CODES[decision.outcome]
        if decision.outcome is Outcome.REJECT:
            self._reply_later(request, code, attributes)
        else:
            self._reply(request, code, attributes)

    def _reply_later(self, request: _Request, code: int, attributes: list[Attribute]) -> None:
        """A reject leaves at a fixed, jittered time after arrival, so that its time tells nothing."""
        jitter = 1 + random.random() * JITTER  # noqa: S311 - noise, not a secret
        at = request.arrived + self._rules.reject_delay * jitter
        self._delayed += 1

        def leave() -> None:
            self._delayed -= 1
            self._reply(request, code, attributes)

        self._loop.call_at(at, leave)

    def _reply(self, request: _Request, code: int, attributes: list[Attribute]) -> None:
        try:
            reply = radius.encode_reply(code, request.packet, attributes, request.secret)
        except ValueError as problem:
            self._duplicates.forget(request.origin, request.packet.authenticator)
            self._discard(request.client, request.source, Discard.MALFORMED, str(problem))
            return
        if self._tap is not None:
            self._tap("->", request.client.name, reply)
        if self._duplicates.answered(request.origin, request.packet.authenticator, reply):
            request.send(reply)

    def _record(self, request: _Request, decision: Decision, station: str, trace: Trace) -> None:
        self._observer(
            Event(
                at=request.at,
                seconds=self._clock() - request.arrived,
                client=request.client.name,
                source=request.source,
                identifier=request.packet.identifier,
                outcome=decision.outcome,
                reason=decision.reason,
                user=decision.user,
                login=decision.login,
                calling_station=station,
                phone=decision.phone,
                login_seconds=decision.login_seconds,
                steps=tuple(trace.steps),
            )
        )

    def _discard(self, client: Client | None, source: str, reason: Discard, detail: str = "") -> None:
        self._observer(Discarded(self._now(), client.name if client else "", source, reason, detail))


def _unfit(packet: Packet) -> Reason | None:
    """Why a request cannot be a login of ours, or None."""
    kinds = packet.firsts.keys()
    service = packet.first(radius.SERVICE_TYPE)
    if service in (AUTHORIZE_ONLY, CALL_CHECK) and radius.STATE not in kinds:
        return Reason.BAD_REQUEST  # RFC 5080 section 2.1.1
    if radius.USER_PASSWORD in kinds and kinds & {radius.CHAP_PASSWORD, radius.EAP_MESSAGE}:
        return Reason.BAD_REQUEST  # RFC 2865 section 4.1, RFC 3579 section 3.3
    if kinds & {radius.CHAP_PASSWORD, radius.EAP_MESSAGE} or _speaks_ms_chap(packet):
        return Reason.METHOD_NOT_SUPPORTED
    if radius.USER_PASSWORD not in kinds or not packet.first(radius.USER_NAME):
        return Reason.BAD_REQUEST
    if len(packet.every(radius.STATE)) > 1:
        return Reason.BAD_REQUEST
    if sum(len(value) + 2 for value in packet.every(radius.PROXY_STATE)) > radius.LONGEST - ROOM_FOR_REPLY:
        return Reason.BAD_REQUEST  # every one comes back, and the answer must fit beside them
    return None


def _speaks_ms_chap(packet: Packet) -> bool:
    return any(
        value[:4] == MICROSOFT and len(value) > 4 and value[4] in MS_CHAP  # noqa: PLR2004 - after the vendor
        for value in packet.every(radius.VENDOR_SPECIFIC)
    )
