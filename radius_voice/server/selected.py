"""The packets of one user or of one client, for debugging while the service runs."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol, TypeVar

from radius_voice.events import AccountingRecord, Discard, DiscardRecord, RequestRecord, ResendRecord
from radius_voice.login.names import canonical_name
from radius_voice.radius import packet as radius
from radius_voice.radius.accounting import ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE
from radius_voice.radius.packet import MalformedPacket, Packet
from radius_voice.radius.password import decode_text
from radius_voice.server.recorder import Result
from radius_voice.server.request import Peer

MAX_REMEMBERED = 1000
"""The maximum number of held packets, and of shown packets. Beyond it, the oldest is forgotten."""

_Key = tuple[Peer, int, bool]
"""The peer of a request, its Identifier, and whether it is for accounting."""
_T = TypeVar("_T")


class PacketPrinter(Protocol):
    """Prints packets and results. `show_name`: also print User-Name. `at` is the wall-clock time of arrival."""

    def received(  # noqa: D102
        self, client: str, peer: Peer, octets: bytes, *, show_name: bool = True, at: float | None = None
    ) -> None: ...

    def decided(self, peer: Peer, packet: Packet | None, record: Result) -> None: ...  # noqa: D102

    def sent(self, client: str, peer: Peer, octets: bytes) -> None: ...  # noqa: D102


class SelectedPackets:
    """A `Tap` that passes the packets of one user, of one client, or of one user at one client to `printer`.

    A packet matches `user` if the canonical form of User-Name, or of the name in the directory, is equal. A packet with
    another User-Name is held until the request is decided: the directory may have several names of the user, and a
    response to a challenge may have no User-Name.

    User-Name is shown only if it matches or if the user exists, because users type passwords there by mistake.
    """

    def __init__(self, user: str | None, client: str | None, printer: PacketPrinter) -> None:
        self._user = None if user is None else canonical_name(user)
        self._client = client
        self._printer = printer
        self._held: OrderedDict[_Key, bytes] = OrderedDict()
        self._shown: OrderedDict[_Key, None] = OrderedDict()

    def received(self, client: str, peer: Peer, octets: bytes) -> None:
        """Print a datagram, or hold it until its request is decided."""
        if self._client not in (None, client):
            return
        if self._user is None:
            self._printer.received(client, peer, octets, show_name=False)
            return
        try:
            packet = radius.decode(octets)
        except MalformedPacket:
            return  # not a packet of a user
        if self._is_named(packet):
            self._printer.received(client, peer, octets)
        else:
            _remember(self._held, _key(peer, packet.code, packet.identifier), octets)

    def decided(self, peer: Peer, packet: Packet | None, record: Result) -> None:
        """Print a result. If its packet was held, print the packet first."""
        if self._client not in (None, record.client):
            return
        if self._user is None:
            self._printer.decided(peer, packet, record)
        elif packet is not None:
            self._decided(peer, packet, record)

    def sent(self, client: str, peer: Peer, octets: bytes) -> None:
        """Print a response to a request that was printed."""
        if self._client not in (None, client):
            return
        if self._user is None or _key(peer, octets[0], octets[1]) in self._shown:
            self._printer.sent(client, peer, octets)

    def _decided(self, peer: Peer, packet: Packet, record: Result) -> None:
        key = _key(peer, packet.code, packet.identifier)
        held = self._held.pop(key, None)
        if not self._is_wanted(key, packet, record):
            if isinstance(record, RequestRecord | AccountingRecord):
                self._shown.pop(key, None)
            return
        if held is not None:
            self._printer.received(record.client, peer, held, at=record.at)
        self._printer.decided(peer, packet, record)
        _remember(self._shown, key, None)

    def _is_wanted(self, key: _Key, packet: Packet, record: Result) -> bool:
        if self._is_named(packet):
            return True
        if isinstance(record, RequestRecord | AccountingRecord):
            return canonical_name(record.user) == self._user
        repeats = isinstance(record, ResendRecord) or (
            isinstance(record, DiscardRecord) and record.reason is Discard.DUPLICATE
        )
        return repeats and key in self._shown

    def _is_named(self, packet: Packet) -> bool:
        name = packet.first(radius.USER_NAME)
        return name is not None and canonical_name(decode_text(name)) == self._user


def _key(peer: Peer, code: int, identifier: int) -> _Key:
    return peer, identifier, code in {ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE}


def _remember(kept: OrderedDict[_Key, _T], key: _Key, value: _T) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MAX_REMEMBERED:
        kept.popitem(last=False)
