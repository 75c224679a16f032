"""From a datagram to a verified request that is processed once."""

from __future__ import annotations

from collections.abc import Callable

from radius_voice.events import Discard
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import MalformedPacket, Packet
from radius_voice.server.authenticity import Authenticity
from radius_voice.server.clients import Client
from radius_voice.server.duplicates import Duplicates, RequestId, Seen
from radius_voice.server.generation import Generation
from radius_voice.server.recorder import Recorder
from radius_voice.server.request import Peer, Request, Send
from radius_voice.server.responses import Responses


class Receiver:
    """Decodes and verifies datagrams, and responds to retransmissions.

    `clock` is monotonic seconds, `now` wall-clock seconds.
    """

    def __init__(
        self,
        authenticity: Authenticity,
        duplicates: Duplicates,
        responses: Responses,
        recorder: Recorder,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._authenticity = authenticity
        self._duplicates = duplicates
        self._responses = responses
        self._recorder = recorder
        self._clock = clock
        self._now = now

    def receive(
        self, datagram: bytes, client: Client, peer: Peer, socket_number: int, send: Send, generation: Generation
    ) -> Request | None:
        """The request in a datagram; None if the datagram was discarded or was a retransmission.

        A datagram is discarded if it is malformed or not authentic. A request without Message-Authenticator from a
        client with `auto` must still be checked against the store (`Authenticity.problem`).
        """
        arrived = self._clock()
        self._recorder.received(client, peer, datagram)
        packet = self._decoded(datagram, client, peer)
        if packet is None:
            return None
        secret_index = self._authenticity.secret_of(packet, client, peer[0])
        if isinstance(secret_index, Discard):
            self._recorder.discarded(client, peer, packet, secret_index)
            return None
        signed = bool(packet.message_authenticator)
        request_id = RequestId((*peer, packet.identifier, socket_number), packet.authenticator, signed)
        request = Request(packet, client, secret_index, peer, request_id, send, arrived, self._now(), generation)
        return request if self._is_new(request) else None

    def _decoded(self, datagram: bytes, client: Client, peer: Peer) -> Packet | None:
        try:
            packet = radius.decode(datagram)
        except MalformedPacket as problem:
            self._recorder.discarded(client, peer, None, Discard.MALFORMED, str(problem))
            return None
        if packet.code not in (radius.ACCESS_REQUEST, radius.STATUS_SERVER):
            self._recorder.discarded(client, peer, packet, Discard.WRONG_CODE, str(packet.code))
            return None
        return packet

    def _is_new(self, request: Request) -> bool:
        """Whether the request is new. A retransmission gets the same octets again, or none while it is in progress."""
        seen = self._duplicates.look_up(request.id, request.arrived)
        if seen is Seen.NEW:
            self._recorder.verified(request)
            return True
        if seen is not Seen.REFUSED:
            self._recorder.retransmitted(request, self._duplicates.age_of(request.id, request.arrived))
        if isinstance(seen, bytes):
            self._recorder.resent(request.client, request.peer, request.packet, request.at)
            self._responses.send(request, seen)
        else:
            in_progress = seen is Seen.IN_PROGRESS
            self._recorder.dropped(request, Discard.DUPLICATE if in_progress else Discard.IDENTIFIER_IN_USE)
        return False
