"""The RADIUS server: each received packet gets at most one response.

This is the only module that connects the RADIUS protocol with `login`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from radius_voice.admission import Admission, Job
from radius_voice.authenticity import Authenticity, Memory
from radius_voice.clients import Client, Clients
from radius_voice.events import Discard, Discarded, Event, Lifecycle, Observer, Outcome, Reason, Resent, Trace
from radius_voice.faults import where
from radius_voice.login.model import Attempt, Decision, Unavailable
from radius_voice.nouns import noun
from radius_voice.radius import packet as radius
from radius_voice.radius.duplicates import Duplicates, RequestId, Seen
from radius_voice.radius.packet import Attribute, MalformedPacket, Packet
from radius_voice.radius.password import MalformedPassword, reveal, text_of

AUTHORIZE_ONLY, CALL_CHECK = (17).to_bytes(4), (10).to_bytes(4)
MICROSOFT = (311).to_bytes(4)
MS_CHAP = {1, 2, 11, 25}
ECHO = (1).to_bytes(4)
JITTER = 0.1
RELEASE_EVERY = 0.1
_REPLY_CODES = {
    Outcome.ACCEPT: radius.ACCESS_ACCEPT,
    Outcome.REJECT: radius.ACCESS_REJECT,
    Outcome.CHALLENGE: radius.ACCESS_CHALLENGE,
}
Send = Callable[[bytes], None]
Peer = tuple[str, int]


class Tap(Protocol):
    """Observes the packets of known clients and their results immediately. Must not raise.

    `peer` is the gateway's address and port; `packet` is the request, None if it could not be decoded.
    """

    def received(self, client: str, peer: Peer, octets: bytes) -> None: ...  # noqa: D102

    def decided(self, peer: Peer, packet: Packet | None, record: Event | Discarded | Resent) -> None: ...  # noqa: D102

    def sent(self, client: str, peer: Peer, octets: bytes) -> None: ...  # noqa: D102


class Answers(Protocol):
    """The part of `login` that the server uses: `begin` for initial requests, `answer` for challenge responses."""

    async def begin(self, attempt: Attempt, trace: Trace) -> Decision: ...  # noqa: D102

    async def answer(self, attempt: Attempt, trace: Trace) -> Decision: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """The parts that belong to one configuration. `encode` encodes a reply attribute from its name and value."""

    clients: Clients
    dialog: Answers
    encode: Callable[[str, str], Attribute]


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings for the packets of all clients; times in seconds."""

    reject_delay: float = 1.0
    duplicate_window: float = 10.0
    max_in_flight: int = 256
    max_waiting: int = 1024
    status_server: bool = True


@noun
class _Request:
    """A verified packet and what a response needs. `secret_index` is the index of its secret in `client.secrets`.

    `arrived` is monotonic seconds, `at` wall-clock seconds.
    """

    packet: Packet
    client: Client
    secret_index: int
    peer: Peer
    id: RequestId
    send: Send
    arrived: float
    at: float
    generation: Generation

    @property
    def secret(self) -> bytes:
        return self.client.secrets[self.secret_index]

    @property
    def source(self) -> str:
        return self.peer[0]


class Server:
    """Processes datagrams from listeners with the current generation. `now` is wall-clock seconds."""

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
        self._clock = time.monotonic  # uvloop's time is the same clock in whole milliseconds
        self._generation = generation
        self._rules = rules
        self._authenticity = Authenticity(memory)
        self._observer = observer
        self._now = now
        self._tap = tap
        self._duplicates = Duplicates(rules.duplicate_window)
        self._admission = Admission(rules.max_in_flight, rules.max_waiting, self._clock)
        self._held: dict[Generation, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._delayed = 0

    @property
    def in_flight(self) -> int:
        """Number of requests being processed, including those whose reject is delayed."""
        return self._admission.in_flight + self._delayed

    def use(self, generation: Generation, rules: Rules) -> None:
        """Use this configuration from the next packet on. Requests in flight are completed with the previous one."""
        self._generation = generation
        self._rules = rules
        self._duplicates.window = rules.duplicate_window
        self._admission.allow(rules.max_in_flight, rules.max_waiting)

    async def drain(self) -> None:
        """Wait until every accepted request is completed and every delayed reject is sent."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._delayed:
            await asyncio.sleep(self._rules.reject_delay * (1 + JITTER))

    async def release(self, generation: Generation) -> None:
        """Wait until no request of this generation is queued or being processed."""
        while self._held.get(generation):  # noqa: ASYNC110 - rare, and no request waits for it
            await asyncio.sleep(RELEASE_EVERY)
        self._held.pop(generation, None)

    def receive(self, datagram: bytes, peer: Peer, socket_number: int, send: Send) -> None:
        """Process one datagram from a listener.

        It is discarded here if it is malformed, not authentic, or not from a client. A request without
        Message-Authenticator, from a client with `auto`, is checked against the store later, in `_handle`.
        """
        arrived = self._clock()
        source = peer[0]
        client = self._generation.clients.find(source)
        if client is None:
            self._discard(None, peer, None, Discard.UNKNOWN_CLIENT)
            return
        if self._tap is not None:
            self._tap.received(client.name, peer, datagram)
        try:
            packet = radius.decode(datagram)
        except MalformedPacket as problem:
            self._discard(client, peer, None, Discard.MALFORMED, str(problem))
            return
        if packet.code not in (radius.ACCESS_REQUEST, radius.STATUS_SERVER):
            self._discard(client, peer, packet, Discard.WRONG_CODE, str(packet.code))
            return
        secret_index = self._authenticity.secret_of(packet, client, source)
        if isinstance(secret_index, Discard):
            self._discard(client, peer, packet, secret_index)
            return
        signed = bool(packet.message_authenticator)
        request_id = RequestId((*peer, packet.identifier, socket_number), packet.authenticator, signed)
        generation, at = self._generation, self._now()
        self._once(_Request(packet, client, secret_index, peer, request_id, send, arrived, at, generation))

    def _once(self, request: _Request) -> None:
        """Process a new request. A retransmission gets the same octets again, or none while it is in progress."""
        seen = self._duplicates.ask(request.id, request.arrived)
        if isinstance(seen, bytes):
            self._note(request.peer, request.packet, Resent(request.at, request.client.name))
            self._send(request, seen)
        elif seen is Seen.IN_PROGRESS:
            self._drop(request, Discard.DUPLICATE)
        elif seen is Seen.REFUSED:
            self._drop(request, Discard.IDENTIFIER_IN_USE)
        elif request.packet.code == radius.STATUS_SERVER:
            self._status(request)
        else:
            self._admit(request)

    def _status(self, request: _Request) -> None:
        """Respond to a Status-Server (RFC 5997 section 3), unless `status_server` is off."""
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
        self._duplicates.forget(request.id)
        self._drop(request, Discard.OVERLOAD)

    def _start(self, request: _Request) -> None:
        task = self._loop.create_task(self._handle(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, request: _Request) -> None:
        trace = Trace(request.arrived, self._clock)
        station = text_of(request.packet.first(radius.CALLING_STATION_ID) or b"")
        try:
            if not request.id.signed:
                trace.step("no_message_authenticator")
            if not await self._authenticity.settled(request.packet, request.client, request.source):
                self._duplicates.forget(request.id)
                self._drop(request, Discard.NO_MESSAGE_AUTHENTICATOR)
                return
            decision = await self._decide(request, station, trace)
        except Unavailable as problem:
            trace.step("unavailable", str(problem))
            decision = Decision(Outcome.SILENCE, Reason.STORE_UNAVAILABLE)
        except Exception as problem:  # noqa: BLE001 - one login's error must not affect others
            trace.step("error", where(problem))
            decision = Decision(Outcome.SILENCE, Reason.INTERNAL_ERROR)
            self._observer(Lifecycle(self._now(), "warning", f"internal error: {where(problem)}"))
        finally:
            self._held[request.generation] -= 1
            self._admission.done()
        self._record(request, decision, station, trace)
        self._tell(request, decision)

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
        name = packet.first(radius.USER_NAME) or b""
        attempt = Attempt(
            client=client.name,
            policy=client.policy,
            name=text_of(name),
            password=password,
            source=station,
            packet=packet.authenticator,
            arrived=request.arrived,
            answer_by=request.arrived + client.answer_within,
            state=packet.first(radius.STATE),
            guess=bytes((len(name),)) + name + hidden,
        )
        dialog = request.generation.dialog
        return await (dialog.begin(attempt, trace) if attempt.state is None else dialog.answer(attempt, trace))

    def _tell(self, request: _Request, decision: Decision) -> None:
        if decision.outcome is Outcome.SILENCE:
            self._duplicates.forget(request.id)
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
        """Send a reject `reject_delay` seconds plus jitter after arrival, so that its timing reveals no cause."""
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
            self._duplicates.forget(request.id)
            self._drop(request, Discard.MALFORMED, str(problem))
            return
        if self._duplicates.answered(request.id, reply):
            self._send(request, reply)

    def _send(self, request: _Request, reply: bytes) -> None:
        if self._tap is not None:
            self._tap.sent(request.client.name, request.peer, reply)
        request.send(reply)

    def _record(self, request: _Request, decision: Decision, station: str, trace: Trace) -> None:
        typed = text_of(request.packet.first(radius.USER_NAME) or b"") if decision.user else ""
        rotating = len(request.client.secrets) > 1 and request.id.signed
        self._note(
            request.peer,
            request.packet,
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
                typed=typed if typed != decision.user else "",
                secret=request.secret_index + 1 if rotating else 0,
                packet=hash(request.packet.raw),
            ),
        )

    def _drop(self, request: _Request, reason: Discard, detail: str = "") -> None:
        self._discard(request.client, request.peer, request.packet, reason, detail)

    def _discard(
        self, client: Client | None, peer: Peer, packet: Packet | None, reason: Discard, detail: str = ""
    ) -> None:
        self._note(peer, packet, Discarded(self._now(), client.name if client else "", peer[0], reason, detail))

    def _note(self, peer: Peer, packet: Packet | None, record: Event | Discarded | Resent) -> None:
        if self._tap is not None and record.client:
            self._tap.decided(peer, packet, record)
        self._observer(record)


def _unfit(packet: Packet) -> Reason | None:
    """Why a request cannot be processed as a login, or None."""
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
    if sum(len(value) + 2 for value in packet.every(radius.PROXY_STATE)) > radius.LONGEST - radius.ROOM_FOR_REPLY:
        return Reason.BAD_REQUEST  # all are echoed, and the response must fit beside them
    return None


def _speaks_ms_chap(packet: Packet) -> bool:
    return any(
        value[:4] == MICROSOFT and len(value) > 4 and value[4] in MS_CHAP  # noqa: PLR2004 - after the vendor
        for value in packet.every(radius.VENDOR_SPECIFIC)
    )
