"""`serve --debug` and `debug`: readable packets and decisions, with secrets hidden.

Names and attributes may come from an attacker: every character that can control a terminal is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from itertools import groupby

from radius_voice.events import AccountingRecord, DiscardRecord, ProbeRecord, RequestRecord
from radius_voice.observe.stream import TextStream
from radius_voice.radius import accounting
from radius_voice.radius import packet as radius
from radius_voice.radius.dictionary import AttributeDictionary
from radius_voice.radius.packet import Attribute, MalformedPacket, Packet
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


@cache
def shipped_attributes() -> AttributeDictionary:
    """The attributes by which packets are described. The first call takes a moment. Raises DictionaryError."""
    return AttributeDictionary(shipped("dictionaries"))


class Debug:
    """A `Tap` and `PacketPrinter`: prints to a stream `<-` received, `==` decided, `->` sent.

    `now` is wall-clock seconds.
    """

    def __init__(self, stream: TextStream, now: Callable[[], float]) -> None:
        self._stream = stream
        self._now = now
        self._names = shipped_attributes()

    def received(
        self, client: str, peer: Peer, octets: bytes, *, show_name: bool = True, at: float | None = None
    ) -> None:
        """Print a datagram of a known client, verified or not, that arrived at `at`. Nothing in it is decrypted."""
        self._packet("<-", client, peer, octets, show_name=show_name, at=at)

    def sent(self, client: str, peer: Peer, octets: bytes) -> None:
        """Print a response."""
        self._packet("->", client, peer, octets)

    def decided(self, peer: Peer, packet: Packet | None, record: Result) -> None:
        """Print the result of a request, and the steps of its processing."""
        self._print("==", record.client, peer, f"{_title(packet)}: {_conclusion(record)}", _steps(record))

    def _packet(
        self,
        direction: str,
        client: str,
        peer: Peer,
        octets: bytes,
        *,
        show_name: bool = True,
        at: float | None = None,
    ) -> None:
        try:
            packet = radius.decode(octets)
        except MalformedPacket:
            self._print(direction, client, peer, f"{len(octets)} octets that are not a RADIUS packet", at=at)
        else:
            lines = self._attribute_lines(packet.attributes, show_name)
            self._print(direction, client, peer, _title(packet), lines, at=at)

    def _attribute_lines(self, attributes: Sequence[Attribute], show_name: bool) -> Iterator[str]:
        for is_hidden, part in groupby(attributes, lambda each: each[0] == radius.USER_NAME and not show_name):
            if is_hidden:
                yield from (f"User-Name = <{len(octets)} octets>" for _, octets in part)
            else:
                yield from self._names.describe(list(part))

    def _print(
        self, mark: str, client: str, peer: Peer, text: str, below: Iterable[str] = (), at: float | None = None
    ) -> None:
        seconds = self._now() if at is None else at
        time_text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        head = f"{time_text}Z {mark} {client} {peer[0]} port {peer[1]}: {text}"
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
            typed = f" (typed {quoted(record.typed_user)})" if record.typed_user else ""
            user = f"{quoted(record.user)}{typed}: " if record.user else ""
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
