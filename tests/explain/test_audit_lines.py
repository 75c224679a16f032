"""Lines of audit files are read in blocks, forward and backward, whatever the files hold."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.explain import audit_lines
from radius_voice.explain.audit_lines import (
    backward,
    complete_end,
    forward,
    next_line,
    offset_after,
    offset_before,
    record_of,
)
from tests.explain.audit_records import line, time

LINES = st.lists(st.sampled_from([line("1"), line("2", user="alice"), b"\n", b"torn\n", b"\0\0\n"]), max_size=12)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(audit_lines, "BLOCK", 64)
    monkeypatch.setattr(audit_lines, "MAX_LINE_OCTETS", 200)


def all_of(blocks):
    return [each for lines in blocks for each in lines if each]


@pytest.mark.parametrize("incomplete", [b"", b'{"kind":"requ'])
def test_lines_are_the_same_forward_and_backward(incomplete):
    @given(LINES)
    def check(lines):
        content = b"".join(lines)
        expected = [each for each in content.split(b"\n") if each]
        octets = content + incomplete
        assert expected == all_of(forward(io.BytesIO(octets)))
        assert expected[::-1] == all_of(backward(io.BytesIO(octets), 0, len(octets)))

    check()


def test_a_whole_record_without_a_line_end_counts():
    octets = line("1") + line("2")[:-1]

    assert [line("1")[:-1], line("2")[:-1]] == all_of(forward(io.BytesIO(octets)))
    assert [line("2")[:-1], line("1")[:-1]] == all_of(backward(io.BytesIO(octets), 0, len(octets)))


def test_a_line_that_is_too_long_is_one_line_that_is_no_record():
    octets = line("1") + b"x" * 5000 + b"}\n" + line("2")

    for found in (all_of(forward(io.BytesIO(octets))), all_of(backward(io.BytesIO(octets), 0, len(octets)))):
        assert 3 == len(found)
        assert [1] == [number for number, each in enumerate(found) if record_of(each) is None]
        assert max(map(len, found)) < 300


def test_a_last_line_that_is_too_long_is_no_record():
    octets = line("1") + b"x" * 5000

    assert len(octets) == complete_end(io.BytesIO(octets), len(octets))
    assert [line("1")[:-1]] == all_of(forward(io.BytesIO(octets)))


def test_the_end_of_complete_lines_is_found():
    octets = line("1") + b"half"

    assert len(line("1")) == complete_end(io.BytesIO(octets), len(octets))
    assert 0 == complete_end(io.BytesIO(b"half"), 4)
    assert 0 == complete_end(io.BytesIO(b""), 0)


@pytest.mark.parametrize("octets", [b"", b"{", b"[]", b"null", b"[" * 5000, b"\xff", b"\0"])
def test_other_lines_are_no_records(octets):
    assert record_of(octets) is None


def test_a_name_with_half_of_a_character_is_read():
    assert {"user": "\ud800"} == record_of(b'{"user":"\\ud800"}')


def test_a_time_is_found_by_bisection(monkeypatch):
    monkeypatch.setattr(audit_lines, "BLOCK", 150)
    octets = b"".join(line(time(minute)) for minute in range(1000))
    file, size = io.BytesIO(octets), len(octets)
    start, end = offset_before(file, size, time(400)), offset_after(file, size, time(600))
    searched = octets[start:end]

    assert set(range(400, 600)) <= {minute for minute in range(1000) if time(minute).encode() in searched}
    assert len(searched) < 205 * len(line(time(1)))


def test_damage_does_not_hide_records_from_the_search_for_a_time():
    damage = b"\0" * 5000 + b"\n"
    octets = damage + line(time(1)) + damage + line(time(2)) + damage
    file, size = io.BytesIO(octets), len(octets)
    for minute in (1, 2):
        found = octets[offset_before(file, size, time(minute)) : offset_after(file, size, time(minute, 1))]
        assert time(minute).encode() in found


def test_the_next_line_begins_at_or_after_an_offset():
    file = io.BytesIO(b"ab\ncd\n")

    assert [0, 3, 3, 3, 6, 6] == [next_line(file, offset) for offset in range(6)]


def test_a_line_of_any_length_is_skipped_in_blocks():
    class Blocks(io.BytesIO):
        def readline(self, size=-1):
            assert 0 < size <= audit_lines.BLOCK
            return super().readline(size)

    file = Blocks(b"x" * (2 * audit_lines.BLOCK) + b"\n{}\n")
    block = audit_lines.BLOCK
    assert [2 * block + 1, 2 * block + 4] == [next_line(file, offset) for offset in (5, 2 * block + 2)]
