"""Sessions of debugging are bounded, and cost nothing when none runs."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from radius_voice.control import Request
from radius_voice.events import ResendRecord
from radius_voice.server.recorder import Taps
from radius_voice.service import debugging
from radius_voice.service.debugging import DebugFilter, Debugger, DebugQueue, QueuedPrinter, Sessions

CLIENTS = {"hq-vpn": 1, "branch": 2}
Lines = asyncio.Queue[Mapping[str, Any]]
PEER = ("198.51.100.7", 40000)


class Printer:
    """Writes a line to the stream for each call."""

    def __init__(self, stream):
        self.stream = stream
        self.calls = 0

    def received(self, client, peer, octets, *, show_name=True, at=None):
        self._print("received\n")

    def decided(self, peer, packet, record):
        self._print("decided\n")

    def sent(self, client, peer, octets):
        self._print("sent\n")

    def _print(self, text):
        self.calls += 1
        self.stream.write(text)


def filter_of(**arguments):
    return DebugFilter.of(Request("debug", {"seconds": 5} | arguments, 0), CLIENTS)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "name a user or a client"),
        ({"all": "yes"}, "name a user or a client"),
        ({"user": ""}, "must have 1 to 253 characters"),
        ({"user": " \t "}, "must have 1 to 253 characters"),
        ({"user": 5}, "must have 1 to 253 characters"),
        ({"user": "x" * 254}, "must have 1 to 253 characters"),
        ({"client": "unknown"}, "no client has the name 'unknown'; the configuration has hq-vpn, branch"),
        ({"client": ["hq-vpn"]}, "no client has the name"),
        ({"all": True, "seconds": 0}, "at most 3600 s"),
        ({"all": True, "seconds": 3601}, "at most 3600 s"),
        ({"all": True, "seconds": True}, "at most 3600 s"),
        ({"all": True, "seconds": "5"}, "at most 3600 s"),
        ({"all": True, "seconds": float("nan")}, "at most 3600 s"),
        ({"all": True, "seconds": None}, "at most 3600 s"),
    ],
)
def test_a_request_without_a_valid_filter_is_refused(arguments, problem):
    with pytest.raises(ValueError, match=problem):
        filter_of(**arguments)


def test_the_record_of_a_session_has_no_name_of_a_user():
    assert "packets of one user of client hq-vpn are shown for at most 5 s by user id 0" == filter_of(
        user="a password", client="hq-vpn"
    ).record_text(0)
    assert "packets are shown for at most 5 s" == filter_of(all=True).record_text(None)


async def test_text_beyond_the_maximum_is_neither_formatted_nor_shown_and_is_counted(monkeypatch):
    monkeypatch.setattr(debugging, "MAX_QUEUED_CHARACTERS", 20)
    queue = DebugQueue()
    printer = QueuedPrinter(queue, inner := Printer(queue))
    for _ in range(3):
        printer.received("hq-vpn", PEER, b"")
        printer.decided(PEER, None, ResendRecord(50.0, "hq-vpn"))
        printer.sent("hq-vpn", PEER, b"")
    assert 3 == inner.calls
    assert ("received\n", 6) == await queue.next()
    assert ("decided\n", 0) == await queue.next()
    printer.sent("hq-vpn", PEER, b"")
    assert [("sent\n", 0), ("sent\n", 0)] == [await queue.next(), await queue.next()]


async def test_the_server_has_a_tap_while_a_session_runs_only():
    taps, printers, lines = Taps(), list[Printer](), Lines()

    def printer(stream):
        printers.append(Printer(stream))
        return printers[-1]

    debugger = Debugger(taps, printer, 1)
    session = debugger.session(filter_of(all=True), lambda: None)
    assert ((), []) == (taps.present, printers)
    running = asyncio.ensure_future(session.run(lines.put))
    assert {"worker": 1} == await lines.get()
    (tap,) = taps.present
    tap.received("hq-vpn", PEER, b"\x01\x02")
    assert {"text": "received\n"} == await lines.get()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert () == taps.present


async def test_a_printer_that_cannot_be_created_is_an_error_of_the_session():
    def printer(_stream):
        raise ValueError("dictionary:1: is wrong")

    taps, lines = Taps(), Lines()
    await Debugger(taps, printer, 0).session(filter_of(all=True), lambda: None).run(lines.put)
    assert ({"error": "dictionary:1: is wrong"}, 0, ()) == (lines.get_nowait(), lines.qsize(), taps.present)


async def test_sessions_beyond_the_maximum_are_refused_until_one_ends():
    sessions, lines, end = Sessions(2), Lines(), asyncio.Event()

    async def run(send):
        await send({"text": "started"})
        await end.wait()

    started: list[int] = []
    limited = sessions.limited(run, lambda: started.append(1))
    running = [asyncio.ensure_future(limited(lines.put)) for _ in range(2)]
    assert [{"text": "started"}] * 2 == [await lines.get(), await lines.get()]
    await limited(lines.put)
    assert "2 sessions of radius-voice debug are running" in (await lines.get())["error"]
    assert [1, 1] == started
    end.set()
    await asyncio.gather(*running)
    await limited(lines.put)
    assert {"text": "started"} == await lines.get()
