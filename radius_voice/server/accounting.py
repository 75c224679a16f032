"""Accounting (RFC 2866): each verified Accounting-Request is recorded once, and answered only once it is recorded.

docs/decisions/0012-accounting.md has the reasons.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from radius_voice.events import AccountingRecord, Discard
from radius_voice.radius import accounting
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import MalformedPacket, Packet
from radius_voice.radius.password import decode_text
from radius_voice.server.accepted_names import AcceptedNames
from radius_voice.server.clients import Client
from radius_voice.server.recorder import Recorder
from radius_voice.server.request import Peer, Send, calling_station_of

KEPT_SECONDS = 3600.0
"""How long a retransmission of a recorded request is recognized."""
MAX_KEPT = 10_000
MAX_IN_PROGRESS = 256


@dataclass(frozen=True, slots=True)
class _Request:
    """A verified Accounting-Request. `arrived` is monotonic seconds, `at` wall-clock seconds."""

    packet: Packet
    client: Client
    secret: bytes
    peer: Peer
    send: Send
    arrived: float
    at: float

    @property
    def id(self) -> tuple[str, bytes]:
        """Identifies the request: its Request Authenticator is a hash of all its octets."""
        return self.client.name, self.packet.authenticator


class Accounting:
    """Processes the packets of the accounting ports.

    `record` writes a record and returns whether that succeeded. `clock` is monotonic seconds, `now` wall-clock seconds.
    `responds_to_status` returns whether Status-Server gets a response.
    """

    def __init__(
        self,
        client_at: Callable[[str], Client | None],
        names: AcceptedNames,
        record: Callable[[AccountingRecord], bool],
        recorder: Recorder,
        clock: Callable[[], float],
        now: Callable[[], float],
        responds_to_status: Callable[[], bool],
    ) -> None:
        self.client_at = client_at
        self._names = names
        self._record = record
        self._recorder = recorder
        self._clock = clock
        self._now = now
        self._responds_to_status = responds_to_status
        self._recorded: OrderedDict[tuple[str, bytes], float] = OrderedDict()
        self._in_progress: dict[tuple[str, bytes], asyncio.Task[None]] = {}

    def discard_unknown(self, peer: Peer) -> None:
        """Record that a datagram was discarded because its peer is not a client."""
        self._recorder.discarded(None, peer, None, Discard.UNKNOWN_CLIENT)

    def receive(self, datagram: bytes, client: Client, peer: Peer, socket_number: int, send: Send) -> None:  # noqa: ARG002 - the octets identify a request
        """Process one datagram of a client."""
        self._recorder.received(client, peer, datagram)
        try:
            packet = radius.decode(datagram)
        except MalformedPacket as problem:
            self._recorder.discarded(client, peer, None, Discard.MALFORMED, str(problem))
            return
        secret = _secret_of(packet, client)
        if isinstance(secret, Discard):
            detail = str(packet.code) if secret is Discard.WRONG_CODE else ""
            self._recorder.discarded(client, peer, packet, secret, detail)
            return
        request = _Request(packet, client, secret, peer, send, self._clock(), self._now())
        if packet.code == radius.STATUS_SERVER:
            self._status(request)
        else:
            self._account(request)

    async def drain(self) -> None:
        """Wait until every accepted request is completed."""
        while self._in_progress:
            await asyncio.wait(self._in_progress.values())

    def _status(self, request: _Request) -> None:
        """Respond to Status-Server (RFC 5997 section 3)."""
        if self._responds_to_status():
            self._respond(request)

    def _account(self, request: _Request) -> None:
        self._forget_old(request.arrived)
        if request.id in self._recorded:
            self._recorder.resent(request.client, request.peer, request.packet, request.at)
            self._respond(request)
        elif request.id in self._in_progress:
            self._discard(request, Discard.DUPLICATE)
        elif len(self._in_progress) >= MAX_IN_PROGRESS:
            self._discard(request, Discard.OVERLOAD)
        else:
            task = asyncio.get_running_loop().create_task(self._recorded_and_answered(request))
            self._in_progress[request.id] = task
            task.add_done_callback(lambda _: self._in_progress.pop(request.id))

    async def _recorded_and_answered(self, request: _Request) -> None:
        typed = decode_text(request.packet.first(radius.USER_NAME) or b"")
        user = await self._names.user(request.client.name, typed) if typed else ""
        record = _record_of(request, user)
        if not self._record(record):
            self._discard(request, Discard.NOT_RECORDED)
            return
        self._recorder.shown(request.peer, request.packet, record)
        self._recorded[request.id] = request.arrived
        if len(self._recorded) > MAX_KEPT:
            self._recorded.popitem(last=False)
        self._respond(request)

    def _forget_old(self, now: float) -> None:
        while self._recorded and now - next(iter(self._recorded.values())) >= KEPT_SECONDS:
            self._recorded.popitem(last=False)

    def _discard(self, request: _Request, reason: Discard) -> None:
        self._recorder.discarded(request.client, request.peer, request.packet, reason)

    def _respond(self, request: _Request) -> None:
        response = accounting.encode_response(request.packet, request.secret)
        self._recorder.sent(request.client, request.peer, response)
        request.send(response)


def _secret_of(packet: Packet, client: Client) -> bytes | Discard:
    """The secret with which a packet is authentic, or why it is discarded."""
    match packet.code:
        case accounting.ACCOUNTING_REQUEST:
            verify, wrong = accounting.verify, Discard.BAD_REQUEST_AUTHENTICATOR
        case radius.STATUS_SERVER if not packet.message_authenticator:
            return Discard.NO_MESSAGE_AUTHENTICATOR
        case radius.STATUS_SERVER:
            verify, wrong = radius.verify, Discard.BAD_MESSAGE_AUTHENTICATOR
        case _:
            return Discard.WRONG_CODE
    return next((secret for secret in client.secrets if verify(packet, secret)), wrong)


def _record_of(request: _Request, user: str) -> AccountingRecord:
    data = accounting.data_of(request.packet)
    return AccountingRecord(
        at=request.at,
        client=request.client.name,
        client_address=request.peer[0],
        status=data.status,
        accounting_session=data.session_id,
        user=user,
        calling_station_id=calling_station_of(request.packet, request.client),
        framed_address=data.framed_address,
        session_seconds=data.seconds,
        input_octets=data.input_octets,
        output_octets=data.output_octets,
        terminate_cause=data.terminate_cause,
        delay=data.delay,
    )
