"""`serve --debug`: readable packets and decisions, with secrets hidden.

Names and attributes may come from an attacker: every character that can control a terminal is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from radius_voice.events import AccountingRecord, DiscardRecord, ProbeRecord, RequestRecord
from radius_voice.observe.stream import TextStream
from radius_voice.radius import accounting
from radius_voice.radius import packet as radius
from radius_voice.radius.dictionary import AttributeDictionary
from radius_voice.radius.packet import MalformedPacket, Packet
from radius_voice.radius.values import printable, quoted
from radius_voice.resources import shipped
from radius_voice.server.recorder import Result
from radius_voice.server.request import Peer

CODES = {
    radius.ACCESS_REQUEST: "Access-Request",
    radius.ACCESS_ACCEPT: "Access-Accept",
    radius.ACCESS_REJECT: "Access-Reject",
    radius.ACCESS_CHALLENGE: "Access-Challenge",
    radius.STATUS_SERVER: "Status-Server",
    accounting.ACCOUNTING_REQUEST: "Accounting-Request",
    accounting.ACCOUNTING_RESPONSE: "Accounting-Response",
}


class Debug:
    """A `Tap` that prints to a stream: `<-` received, `==` decided, `->` sent. `now` is wall-clock seconds."""

    def __init__(self, stream: TextStream, now: Callable[[], float]) -> None:
        self._stream = stream
        self._now = now
        self._names = AttributeDictionary(shipped("dictionaries"))

    def received(self, client: str, peer: Peer, octets: bytes) -> None:
        """Print a datagram of a known client, verified or not. Nothing in it is decrypted."""
        self._packet("<-", client, peer, octets)

    def sent(self, client: str, peer: Peer, octets: bytes) -> None:
        """Print a response."""
        self._packet("->", client, peer, octets)

    def decided(self, peer: Peer, packet: Packet | None, record: Result) -> None:
        """Print the result of a request, and the steps of its processing."""
        self._print("==", record.client, peer, f"{_title(packet)}: {_conclusion(record)}", _steps(record))

    def _packet(self, direction: str, client: str, peer: Peer, octets: bytes) -> None:
        try:
            packet = radius.decode(octets)
        except MalformedPacket:
            self._print(direction, client, peer, f"{len(octets)} octets that are not a RADIUS packet")
        else:
            self._print(direction, client, peer, _title(packet), self._names.describe(packet.attributes))

    def _print(self, mark: str, client: str, peer: Peer, text: str, below: Iterable[str] = ()) -> None:
        at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        head = f"{at}Z {mark} {client} {peer[0]} port {peer[1]}: {text}"
        lines = [head, *(f"     {line}" for line in below)]
        block = "".join(f"{printable(line)}\n" for line in lines)
        with suppress(OSError, ValueError):  # lines are lost if the stream is full or closed; logins continue
            encoding = self._stream.encoding or "utf-8"
            self._stream.write(block.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()


def _title(packet: Packet | None) -> str:
    if packet is None:
        return "malformed"
    return f"{CODES.get(packet.code, f'code {packet.code}')} {packet.identifier}"


def _conclusion(record: Result) -> str:
    match record:
        case RequestRecord():
            user = f"{quoted(record.user)}: " if record.user else ""
            return f"{user}{record.outcome}, because {record.reason}"
        case DiscardRecord():
            return f"discarded, because {record.reason}" + (f" ({record.detail})" if record.detail else "")
        case AccountingRecord():
            return f"{record.status}, recorded"
        case ProbeRecord():
            return f"health check, {record.outcome} as configured"
        case _:
            return "retransmission, gets the same response again"


def _steps(record: Result) -> Iterator[str]:
    if isinstance(record, RequestRecord):
        for step in record.steps:
            yield f"{step.after * 1000:8.1f} ms  {step.name} {step.detail}".rstrip()
