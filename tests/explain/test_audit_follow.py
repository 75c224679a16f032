"""The audit log is followed as it grows and is rotated: every line once, in the order of writing."""

import pytest

from radius_voice.explain import audit_follow
from radius_voice.explain.audit_follow import ROTATED_SECONDS, Follower
from tests.explain.audit_records import line


class Clock:
    seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(line("0"))
    return path


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def follower(log, clock):
    follower = Follower(log, clock)
    yield follower
    follower.close()


def append(path, octets):
    with path.open("ab") as file:
        file.write(octets)


def new_lines(follower):
    return [each + b"\n" for each in follower.lines() if each]


def test_new_lines_are_read_once_they_are_complete(log, follower):
    assert [] == new_lines(follower)
    append(log, line("1") + line("2")[:9])
    assert [line("1")] == new_lines(follower)
    append(log, line("2")[9:])
    assert [line("2")] == new_lines(follower)


def test_a_line_that_was_half_written_at_the_start_is_read_as_a_whole(log, clock):
    append(log, line("1")[:9])
    follower = Follower(log, clock)
    append(log, line("1")[9:])

    assert len(line("0")) == follower.start.end
    assert [line("1")] == new_lines(follower)
    follower.close()


def test_a_rotated_file_is_read_to_its_end_beside_the_new_one(log, follower, clock):
    append(log, line("1"))
    rotated = log.rename(log.with_name("audit.jsonl.1"))
    assert [line("1")] == new_lines(follower)
    log.write_bytes(line("3"))
    append(rotated, line("2"))
    assert [line("2"), line("3")] == new_lines(follower)
    append(rotated, line("4"))
    assert [line("4")] == new_lines(follower)
    clock.seconds += ROTATED_SECONDS + 1
    append(rotated, line("5") + line("6")[:9])
    assert [line("5"), line("6")[:9] + b"\n"] == new_lines(follower)
    append(log, line("7"))
    assert [line("7")] == new_lines(follower)


def test_a_file_that_is_truncated_in_place_is_read_from_its_start(log, follower):
    append(log, line("1"))
    assert [line("1")] == new_lines(follower)
    log.write_bytes(line("2"))

    assert [line("2")] == new_lines(follower)


def test_a_file_that_does_not_exist_yet_is_awaited(log, clock):
    log.unlink()
    follower = Follower(log, clock)
    assert [] == new_lines(follower)
    log.write_bytes(line("1"))

    assert [line("1")] == new_lines(follower)
    follower.close()


def test_a_file_that_is_rotated_twice_is_opened_by_the_next_call(log, follower, monkeypatch):
    log.rename(log.with_name("audit.jsonl.1"))
    log.write_bytes(line("1"))

    def vanished(path):
        raise FileNotFoundError(2, "No such file or directory", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(audit_follow, "open_regular", vanished)
        assert [] == new_lines(follower)
    assert [line("1")] == new_lines(follower)


def test_a_line_that_is_too_long_needs_little_memory(log, follower, monkeypatch):
    monkeypatch.setattr(audit_follow, "MAX_LINE_OCTETS", 100)
    append(log, b"x" * 500)
    assert [] == new_lines(follower)
    append(log, b"x}\n" + line("1"))

    assert [b"\0x}\n", line("1")] == new_lines(follower)
