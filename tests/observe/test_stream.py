"""Output to pipes and sockets whose reader is stuck, slow or gone."""

from __future__ import annotations

import io
import os
import socket
import threading
from contextlib import suppress

import pytest

from radius_voice.observe import stream
from radius_voice.observe.audit import AuditLog
from radius_voice.observe.stream import LineStream, NonBlockingWriter
from tests.observe import records

LINE = "x" * 99 + "\n"
MORE_THAN_FITS = 1 << 16  # lines


class Pipe:
    """A pipe or a pair of sockets: the end that a process writes to, and the end of its reader."""

    def __init__(self, kind):
        if kind == "socket":
            reader, writer = socket.socketpair()
            self.reader, self.writer = reader.detach(), writer.detach()
        else:
            self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def read(self):
        """Everything that is in it now."""
        pieces = []
        with suppress(BlockingIOError):
            while piece := os.read(self.reader, 1 << 20):
                pieces.append(piece)
        return b"".join(pieces).decode()


@pytest.fixture(params=["pipe", "socket", "pipe of another user"])
def pipe(request, monkeypatch):
    pipe = Pipe(request.param)
    if request.param == "pipe of another user":
        opened = os.open

        def refuse(path, *arguments):
            if str(path).startswith("/proc/self/fd/"):
                raise PermissionError(13, "Permission denied", path)
            return opened(path, *arguments)

        monkeypatch.setattr(os, "open", refuse)
    yield pipe
    os.close(pipe.reader)
    os.close(pipe.writer)


@pytest.fixture
def text(pipe):
    with io.TextIOWrapper(io.FileIO(pipe.writer, "w", closefd=False), encoding="ascii") as text:
        yield text


@pytest.fixture
def lines(text):
    lines = LineStream(text)
    yield lines
    lines.close()


def fill(lines):
    """Write until lines are lost; returns how many were written."""
    for number in range(MORE_THAN_FITS):
        lines.write(LINE)
        if lines.lost:
            return number
    raise AssertionError("nothing was lost")


def fill_pipe(pipe):
    """Write until nothing fits; returns the number of lines."""
    writer = NonBlockingWriter(pipe.writer)
    written = 0
    with suppress(BlockingIOError):
        while True:
            written += writer.write(LINE.encode()) == len(LINE)
    writer.close()
    return written


class ForbiddenPoll:
    """Fails when a writer waits for its reader."""

    def poll(self, milliseconds):
        raise AssertionError(f"a line waits for {milliseconds} ms")


def test_after_a_line_was_lost_no_further_line_waits_for_the_reader(lines):
    fill(lines)
    lines._writer._poll = ForbiddenPoll()
    for _ in range(10_000):
        lines.write(LINE)
    assert lines.lost >= 10_000


def test_lines_are_whole_and_follow_each_other_again_when_the_reader_reads(lines, pipe):
    fill(lines)
    before = pipe.read()
    lines.write("next\n")
    lines.write("last\n")
    *full, rest = before.split("\n")
    assert {LINE[:-1]} == set(full)
    assert LINE.startswith(rest), "at most the last line is cut short"
    assert ["next", "last"] == pipe.read().split("\n")[-3:-1]


def test_a_line_longer_than_a_pipe_is_cut_short_and_the_next_one_starts_on_a_new_line(lines, pipe):
    lines.write("y" * (8 << 20) + "\n")
    assert 1 == lines.lost
    cut = pipe.read()
    lines.write("next\n")
    assert {"y"} == set(cut)
    assert "\nnext\n" == pipe.read()


def test_a_slow_reader_loses_nothing(lines, pipe, monkeypatch):
    received, count = bytearray(), 2 * fill_pipe(pipe)
    monkeypatch.setattr(stream, "WAIT_SECONDS", 60.0)

    def read_all():
        while received.count(b"\n") < count:
            received.extend(os.read(pipe.reader, 512))

    pipe.read()
    os.set_blocking(pipe.reader, True)
    reader = threading.Thread(target=read_all)
    reader.start()
    for _ in range(count):
        lines.write(LINE)
    reader.join(60.0)
    assert (0, count) == (lines.lost, received.count(b"\n"))


def test_the_descriptor_of_other_processes_stays_as_it_is(lines, pipe):
    lines.write(LINE)
    assert os.get_blocking(pipe.writer)


def test_a_reader_that_has_gone_loses_lines_and_raises_nothing():
    reader, writer = os.pipe()
    with io.TextIOWrapper(io.FileIO(writer, "w"), encoding="ascii") as text:
        lines = LineStream(text)
        os.close(reader)
        lines.write(LINE)
        lines.close()
    assert 1 == lines.lost


def test_characters_that_the_encoding_lacks_are_escaped(lines, pipe):
    lines.write("Zo\xeb \u202e\n")
    assert "Zo\\xeb \\u202e\n" == pipe.read()


def test_a_regular_file_is_written_like_any_other(tmp_path):
    with (tmp_path / "log").open("w", encoding="utf-8") as text:
        lines = LineStream(text)
        lines.write("Zo\xeb\n")
        lines.close()
    assert (0, "Zo\xeb\n") == (lines.lost, (tmp_path / "log").read_text("utf-8"))


def test_a_full_disk_raises_an_error_of_the_writer():
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
        writer = NonBlockingWriter(full.fileno())
        with pytest.raises(OSError, match="No space left"):
            writer.write(b"line\n")
        writer.close()


def test_what_fits_on_a_disk_is_reported_as_written(tmp_path, monkeypatch):
    write = os.write

    def write_two_octets(descriptor, data):
        if len(data) < 5:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:2])

    monkeypatch.setattr(os, "write", write_two_octets)
    with (tmp_path / "log").open("wb", buffering=0) as file:
        writer = NonBlockingWriter(file.fileno())
        assert 2 == writer.write(b"line\n")
        writer.close()


def test_records_for_standard_output_whose_reader_is_stuck_are_lost_and_counted(clock, monkeypatch):
    pipe = Pipe("pipe")
    warnings: list[str] = []
    monkeypatch.setattr("radius_voice.observe.audit.STDOUT", pipe.writer)
    audit = AuditLog(None, clock, warnings.append)
    for _ in range(1000):
        audit(records.REQUEST)
    assert audit.failures
    assert "audit: standard output: a record was not written: its reader does not keep up" in warnings[0]
    audit.close()
    os.close(pipe.reader)
    os.close(pipe.writer)
