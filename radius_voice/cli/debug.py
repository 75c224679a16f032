"""`serve --debug`: packets and decisions as people read them, secrets hidden."""

from __future__ import annotations

from typing import TextIO

from radius_voice.events import Event, Observer, Recorded
from radius_voice.radius import packet as radius
from radius_voice.radius.dictionary import Names
from radius_voice.resources import shipped

CODES = {
    radius.ACCESS_REQUEST: "Access-Request",
    radius.ACCESS_ACCEPT: "Access-Accept",
    radius.ACCESS_REJECT: "Access-Reject",
    radius.ACCESS_CHALLENGE: "Access-Challenge",
    radius.STATUS_SERVER: "Status-Server",
}


class Debug:
    """Prints to a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._names = Names(shipped("dictionaries"))

    def tap(self, direction: str, client: str, octets: bytes) -> None:
        """Print one packet of a client: `<-` came in, `->` went out."""
        packet = radius.decode(octets)
        self._print(f"{direction} {client}: {CODES.get(packet.code, packet.code)} {packet.identifier}")
        for line in self._names.describe(packet.attributes):
            self._print(f"     {line}")

    def after(self, other: Observer) -> Observer:
        """An observer that prints every decision with its steps, and then lets `other` see it."""

        def observe(recorded: Recorded) -> None:
            if isinstance(recorded, Event):
                self._decision(recorded)
            other(recorded)

        return observe

    def _decision(self, event: Event) -> None:
        who = event.user or "somebody"
        self._print(f"== {event.client}: {who}: {event.outcome}, because {event.reason}")
        for step in event.steps:
            self._print(f"     {step.after * 1000:8.1f} ms  {step.name} {step.detail}".rstrip())

    def _print(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()
