"""Records the result of each packet: for the observer, and for the output of `--debug`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from radius_voice.events import (
    AccountingRecord,
    Discard,
    DiscardRecord,
    Observer,
    Outcome,
    ProbeRecord,
    Reason,
    RequestRecord,
    ResendRecord,
    ServiceRecord,
)
from radius_voice.login.codes.keys import new_request_id
from radius_voice.login.session.decisions import Decision
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Packet
from radius_voice.radius.password import decode_text
from radius_voice.server.clients import Client
from radius_voice.server.methods import method_of
from radius_voice.server.request import Peer, Request
from radius_voice.server.traffic import TrafficReport
from radius_voice.trace import Trace

Result = RequestRecord | DiscardRecord | ResendRecord | ProbeRecord | AccountingRecord
"""The result of one packet."""


class Tap(Protocol):
    """Observes the packets of known clients and their results. Must not raise.

    `peer` is the gateway's address and port. `packet` is the request; None if it could not be decoded.
    """

    def received(self, client: str, peer: Peer, octets: bytes) -> None: ...  # noqa: D102

    def decided(self, peer: Peer, packet: Packet | None, record: Result) -> None: ...  # noqa: D102

    def sent(self, client: str, peer: Peer, octets: bytes) -> None: ...  # noqa: D102


class Taps:
    """The taps of a server. Debugging adds and removes them while the server runs."""

    def __init__(self, *present: Tap) -> None:
        self.present = present

    def add(self, tap: Tap) -> None:
        """Pass packets also to `tap` from now on."""
        self.present = (*self.present, tap)

    def remove(self, tap: Tap) -> None:
        """Stop passing packets to `tap`."""
        self.present = tuple(each for each in self.present if each is not tap)


class Recorder:
    """Passes one record for each packet to `observer`, and counts the packet in `traffic`.

    `now` is wall-clock seconds, `clock` monotonic seconds.
    """

    def __init__(
        self,
        observer: Observer,
        taps: Taps,
        now: Callable[[], float],
        clock: Callable[[], float],
        traffic: TrafficReport,
    ) -> None:
        self._observer = observer
        self._traffic = traffic
        self._taps = taps
        self._now = now
        self._clock = clock

    def received(self, client: Client, peer: Peer, datagram: bytes) -> None:
        """A datagram of a known client arrived and is not verified yet. Only the taps get it."""
        for tap in self._taps.present:
            tap.received(client.name, peer, datagram)

    def verified(self, request: Request) -> None:
        """A request is authentic and not a retransmission. Only `traffic` counts it here."""
        if request.packet.code == radius.ACCESS_REQUEST:
            method = method_of(request.packet)
            name = method.value if method else "none"
            self._traffic.request(request.client.name, request.client_address, request.packet, name, request.at)

    def retransmitted(self, request: Request, interval: float) -> None:
        """A retransmission arrived `interval` seconds after the first packet. Only `traffic` counts it here."""
        self._traffic.retransmission(request.client.name, request.client_address, interval, request.at)

    def sent(self, client: Client, peer: Peer, response: bytes) -> None:
        """A response is being sent. Only the taps get it."""
        for tap in self._taps.present:
            tap.sent(client.name, peer, response)

    def shown(self, peer: Peer, packet: Packet, record: Result) -> None:
        """The result of a packet whose record was written elsewhere. Only the taps get it."""
        for tap in self._taps.present:
            tap.decided(peer, packet, record)

    def discarded(
        self, client: Client | None, peer: Peer, packet: Packet | None, reason: Discard, detail: str = ""
    ) -> None:
        """A datagram gets no response. `client` is None for an unknown peer, `packet` if it was not decoded."""
        name = client.name if client else ""
        if client and reason is not Discard.DUPLICATE:  # `retransmitted` counts those
            self._traffic.discard(client.name, peer[0], reason, self._now())
        record = DiscardRecord(self._now(), client=name, client_address=peer[0], reason=reason, detail=detail)
        self._note(peer, packet, record)

    def dropped(self, request: Request, reason: Discard, detail: str = "") -> None:
        """A verified request gets no response, and its login was not processed."""
        self.discarded(request.client, request.peer, request.packet, reason, detail)

    def resent(self, client: Client, peer: Peer, packet: Packet, at: float) -> None:
        """A retransmission gets the octets of the first response. `at` is its wall-clock time of arrival."""
        self._note(peer, packet, ResendRecord(at, client.name))

    def probed(self, request: Request, outcome: Outcome) -> None:
        """A health check gets the configured response."""
        self._note(request.peer, request.packet, ProbeRecord(request.at, request.client.name, outcome))

    def internal_error(self, text: str) -> None:
        """An error in the program ended the processing of one request."""
        self._observer(ServiceRecord(self._now(), "warning", f"internal error: {text}"))

    def decided(self, request: Request, decision: Decision, trace: Trace, calling_station_id: str = "") -> None:
        """A verified request was processed."""
        packet, client = request.packet, request.client
        typed = decode_text(packet.first(radius.USER_NAME) or b"") if decision.user else ""
        rotating = len(client.secrets) > 1 and request.id.signed
        record = RequestRecord(
            at=request.at,
            seconds=self._clock() - request.arrived,
            client=client.name,
            client_address=request.client_address,
            identifier=packet.identifier,
            outcome=decision.outcome,
            reason=decision.reason,
            user=decision.user,
            session=decision.session,
            calling_station_id=calling_station_id,
            phone=decision.phone,
            login_seconds=decision.login_seconds,
            steps=tuple(trace.steps),
            typed_user=typed if typed != decision.user else "",
            secret=request.secret_index + 1 if rotating else 0,
            packet=hash(packet.raw),
            rule=decision.rule,
            rule_reason=decision.rule_reason,
            mode=decision.mode,
            would_outcome=decision.would_outcome,
            would_reason=decision.would_reason,
            second_factor=client.second_factor,
            request_id="" if decision.session or decision.reason is Reason.STATUS else new_request_id(),
        )
        self._note(request.peer, packet, record)

    def _note(self, peer: Peer, packet: Packet | None, record: Result) -> None:
        if record.client:
            for tap in self._taps.present:
                tap.decided(peer, packet, record)
        self._observer(record)
