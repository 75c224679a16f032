"""The server: processes the packets from all transports with the current generation of the configuration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from radius_voice.events import Discard, Observer, Outcome, Reason
from radius_voice.exceptions import kind_and_place
from radius_voice.login.model import Unavailable
from radius_voice.login.session.decisions import CODE_CORRECT, Decision
from radius_voice.radius import packet as radius
from radius_voice.radius.password import decode_text
from radius_voice.server.accepted_names import AcceptedNames
from radius_voice.server.admission import Admission, Job
from radius_voice.server.authenticity import Authenticity, KeyValueStore
from radius_voice.server.clients import Client
from radius_voice.server.duplicates import Duplicates
from radius_voice.server.generation import Generation, Rules
from radius_voice.server.held import Held
from radius_voice.server.methods import auth_request_of
from radius_voice.server.probes import AS_CONFIGURED, Probes, is_probe
from radius_voice.server.receiving import Receiver
from radius_voice.server.recorder import Recorder, Taps
from radius_voice.server.request import Peer, Request, Send
from radius_voice.server.responses import Responses
from radius_voice.server.traffic import TrafficReport
from radius_voice.trace import Trace

RELEASE_INTERVAL_SECONDS = 0.1


class Server:
    """Processes the packets of all transports. `now` is wall-clock seconds.

    `accepted_names` is None without accounting, which needs the names. `traffic` counts the packets of clients.
    """

    def __init__(
        self,
        generation: Generation,
        rules: Rules,
        store: KeyValueStore,
        observer: Observer,
        now: Callable[[], float],
        taps: Taps | None = None,
        accepted_names: AcceptedNames | None = None,
        traffic: TrafficReport | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = time.monotonic  # uvloop's time is the same clock in whole milliseconds
        self._generation = generation
        self._rules = rules
        self._authenticity = Authenticity(store)
        self._accepted_names = accepted_names
        self._recorder = Recorder(observer, taps or Taps(), now, self._clock, traffic or TrafficReport())
        self._duplicates = Duplicates(rules.duplicate_window)
        self._responses = Responses(self._duplicates, self._recorder, rules.reject_delay)
        self._receiver = Receiver(
            self._authenticity, self._duplicates, self._responses, self._recorder, self._clock, now
        )
        self._admission = Admission(rules.max_concurrent, rules.max_queued, self._clock)
        self._held = Held(rules.max_held)
        self._probes = Probes(self._clock)
        self._unfinished: dict[Generation, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_progress(self) -> int:
        """The number of requests in progress, with delayed rejects and without held requests."""
        return self._admission.in_progress + self._responses.delayed

    @property
    def held(self) -> int:
        """The number of requests that are or may be held until their users approve them."""
        return self._held.in_progress

    def use(self, generation: Generation, rules: Rules) -> None:
        """Use this configuration from the next packet on. Requests in progress are completed with the previous one."""
        self._generation = generation
        self._rules = rules
        window = rules.duplicate_window
        self._duplicates.window = max(window, self._duplicates.window) if self._held.in_progress else window
        self._held.limit = rules.max_held
        self._responses.reject_delay = rules.reject_delay
        self._admission.set_limits(rules.max_concurrent, rules.max_queued)

    async def drain(self) -> None:
        """Wait until every accepted request is completed and every delayed response is sent."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._responses.drain()

    async def release(self, generation: Generation) -> None:
        """Wait until no request of this generation is queued or being processed."""
        while self._unfinished.get(generation):  # noqa: ASYNC110 - rare, and no request waits for it
            await asyncio.sleep(RELEASE_INTERVAL_SECONDS)
        self._unfinished.pop(generation, None)

    def client_at(self, address: str) -> Client | None:
        """The client entry for a source address, or None."""
        return self._generation.clients.find(address)

    def discard_unknown(self, peer: Peer) -> None:
        """Record that a datagram was discarded because its peer is not a client."""
        self._recorder.discarded(None, peer, None, Discard.UNKNOWN_CLIENT)

    def receive(self, datagram: bytes, client: Client, peer: Peer, socket_number: int, send: Send) -> None:
        """Process one datagram of a client, which must be an entry of the current configuration.

        `socket_number` is different for each socket of all transports. It is part of a request's identity (RFC 5080
        section 2.2.2). `send` may be called now or later to send a response.
        """
        request = self._receiver.receive(datagram, client, peer, socket_number, send, self._generation)
        if request is None:
            return
        if request.packet.code == radius.STATUS_SERVER:
            self._status(request)
        elif is_probe(request):
            self._run(self._answer_probe(request))
        else:
            self._admit(request)

    def _status(self, request: Request) -> None:
        """Respond to a Status-Server (RFC 5997 section 3), unless `status_server` is off."""
        outcome = Outcome.ACCEPT if self._rules.status_server else Outcome.NO_RESPONSE
        decision = Decision(outcome, Reason.STATUS)
        self._recorder.decided(request, decision, Trace(request.arrived, self._clock))
        if self._rules.status_server:
            self._responses.respond(request, decision)

    async def _answer_probe(self, request: Request) -> None:
        """Respond to a health check without admission control, so that it works under load."""

        async def decide() -> Decision:
            return self._probes.decide(request)

        trace = Trace(request.arrived, self._clock)
        decision = await self._decided(trace, partial(self._if_authentic, request, trace, decide))
        if decision is None:
            return
        if decision.reason is AS_CONFIGURED:
            self._recorder.probed(request, decision.outcome)
        else:
            self._recorder.decided(request, decision, trace, request.calling_station_id)
        self._responses.respond(request, decision)

    def _admit(self, request: Request) -> None:
        self._unfinished[request.generation] = self._unfinished.get(request.generation, 0) + 1
        if not self._held.enter(request):
            self._shed(request)
            return
        if self._admission.enter():
            self._start(request)
            return
        job = Job(
            start=lambda: self._start(request),
            drop=lambda: self._shed(request),
            preferred=request.packet.first(radius.STATE) is not None,
            queue=request.calling_station_id or request.client.name,
            deadline=request.arrived + request.client.response_timeout,
        )
        self._admission.wait(job)

    def _shed(self, request: Request) -> None:
        self._finish(request)
        self._discard(request, Discard.OVERLOAD)

    def _finish(self, request: Request) -> None:
        self._unfinished[request.generation] -= 1
        self._held.leave(request)

    def _discard(self, request: Request, reason: Discard) -> None:
        """Send no response. A retransmission of the request will be processed as a new request."""
        self._duplicates.forget(request.id)
        self._recorder.dropped(request, reason)

    def _start(self, request: Request) -> None:
        self._run(self._handle(request))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, request: Request) -> None:
        trace = Trace(request.arrived, self._clock)
        try:
            try:
                decide = partial(self._completed, request, partial(_decide, request, trace))
                decision = await self._decided(trace, partial(self._if_authentic, request, trace, decide))
            finally:
                self._admission.done()
            if decision is None:
                return
            if decision.held is not None:
                decision = await self._decided(trace, partial(self._completed, request, decision.held))
        finally:
            self._finish(request)
        if decision is not None:
            await self._keep_name(request, decision)
            self._recorder.decided(request, decision, trace, request.calling_station_id)
            self._responses.respond(request, decision)

    async def _keep_name(self, request: Request, decision: Decision) -> None:
        """Store the name of an accepted user for later accounting records."""
        if self._accepted_names is not None and decision.outcome is Outcome.ACCEPT and decision.user:
            typed = decode_text(request.packet.first(radius.USER_NAME) or b"")
            await self._accepted_names.add(request.client.name, typed, decision.user)

    async def _decided(self, trace: Trace, decide: Callable[[], Awaitable[Decision | None]]) -> Decision | None:
        """The result of `decide`; no response if it raises an error."""
        try:
            return await decide()
        except Unavailable as problem:
            trace.step("unavailable", str(problem))
            return Decision(Outcome.NO_RESPONSE, Reason.STORE_UNAVAILABLE)
        except Exception as problem:  # noqa: BLE001 - one login's error must not affect others
            trace.step("error", kind_and_place(problem))
            self._recorder.internal_error(kind_and_place(problem))
            return Decision(Outcome.NO_RESPONSE, Reason.INTERNAL_ERROR)

    async def _if_authentic(
        self, request: Request, trace: Trace, decide: Callable[[], Awaitable[Decision]]
    ) -> Decision | None:
        """The decision, which may be to hold the request. If the request is not authentic, discard it: None."""
        if not request.id.signed:
            trace.step("no_message_authenticator")
        problem = await self._authenticity.problem(request.packet, request.client, request.client_address)
        if problem is not None:
            self._discard(request, problem)
            return None
        return await decide()

    async def _completed(self, request: Request, decide: Callable[[], Awaitable[Decision]]) -> Decision:
        """The decision. If it completes a login, store that the gateway's address is proven (`Authenticity`)."""
        decision = await decide()
        if decision.reason in CODE_CORRECT:
            await self._authenticity.login_completed(
                request.packet, request.client, request.secret_index, request.client_address
            )
        return decision


async def _decide(request: Request, trace: Trace) -> Decision:
    auth = auth_request_of(request)
    if isinstance(auth, Reason):
        return Decision(Outcome.REJECT, auth)
    handler = request.generation.handler
    return await (handler.begin(auth, trace) if auth.state is None else handler.respond(auth, trace))
