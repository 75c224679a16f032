"""The audit log and its rotated files are searched in the order of their times, with bounded memory."""

import gzip
import os
import tracemalloc
from datetime import UTC, datetime

import pytest

from radius_voice.explain import audit_lines, audit_search
from radius_voice.explain.audit_filter import AuditFilter
from radius_voice.explain.audit_search import AuditSearch, Snapshot
from tests.explain.audit_records import line, time


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.jsonl"


def search(log, limit=None, snapshot=None, **values):
    """The times of the records, and the search."""
    found = AuditSearch(log, AuditFilter(**values), snapshot=snapshot)
    records = found.records() if limit is None else found.newest(limit)
    return [record["at"] for record in records], found


def write_rotated(log):
    """Five files, each with a record of its own day."""
    log.write_bytes(line("2026-11-05T00:00:00.000Z"))
    log.with_name("audit.jsonl.2026-11-04").write_bytes(line("2026-11-04T00:00:00.000Z"))
    log.with_name("audit.jsonl.1").write_bytes(line("2026-11-03T00:00:00.000Z"))
    log.with_name("audit.jsonl-20261102.gz").write_bytes(gzip.compress(line("2026-11-02T00:00:00.000Z")))
    log.with_name("audit-20261101.jsonl").write_bytes(line("2026-11-01T00:00:00.000Z"))


def days(*numbers):
    return [f"2026-11-{number:02}T00:00:00.000Z" for number in numbers]


def test_rotated_and_compressed_files_are_searched_in_the_order_of_their_times(log):
    write_rotated(log)
    times, found = search(log)

    assert days(1, 2, 3, 4, 5) == times
    assert 5 == len(found.searched)
    assert [] == found.problems
    assert days(2, 3, 4) == search(log, since="2026-11-01T12:00:00.000Z", until="2026-11-04T12:00:00.000Z")[0]


@pytest.mark.parametrize(("limit", "expected"), [(1, (5,)), (4, (2, 3, 4, 5)), (9, (1, 2, 3, 4, 5))])
def test_a_limit_selects_the_newest_records_and_reads_no_older_file(log, limit, expected):
    write_rotated(log)
    times, found = search(log, limit)

    assert days(*expected) == times
    assert len(expected) == len(found.searched)


def test_records_that_were_written_late_are_sorted(log):
    log.write_bytes(line(time(2)) + line(time(3)) + line(time(1)))

    assert [time(1), time(2), time(3)] == search(log)[0]


def test_sorting_keeps_few_records(log, monkeypatch):
    monkeypatch.setattr(audit_search, "MAX_UNORDERED", 2)
    log.write_bytes(b"".join(line(time(minute)) for minute in (2, 3, 4, 1)))

    assert [time(minute) for minute in (2, 1, 3, 4)] == search(log)[0]


def test_a_time_is_searched_for_without_reading_the_rest_of_the_file(log, monkeypatch):
    monkeypatch.setattr(audit_lines, "BLOCK", 300)
    log.write_bytes(b"".join(line(time(minute)) + b"torn\n" for minute in range(1400)))
    expected = [time(minute) for minute in range(700, 710)]

    for limit in (None, 50):
        times, found = search(log, limit, since=time(700), until=time(709))
        assert expected == times
        assert found.selection.skipped < 50


def test_a_file_that_was_last_written_before_is_not_read(log):
    log.write_bytes(line(time(5)))
    rotated = log.with_name("audit.jsonl.1.gz")
    rotated.write_bytes(b"no gzip")
    before = datetime(2026, 11, 26, tzinfo=UTC).timestamp()
    os.utime(rotated, (before, before))
    times, found = search(log, since=time(1))

    assert [time(5)] == times
    assert [] == found.problems


def test_a_damaged_line_and_a_half_written_one_are_skipped(log):
    log.write_bytes(line(time(1)) + line(time(2))[:-9] + b"\n" + line(time(3)) + line(time(4))[:-9])

    for limit in (None, 9):
        times, found = search(log, limit)
        assert [time(1), time(3)] == times
        assert 1 == found.selection.skipped


@pytest.mark.parametrize(
    ("name", "octets", "problem"),
    [
        (
            "audit.jsonl.2.gz",
            gzip.compress(line(time(1)) * 90_000)[:-20],
            "is damaged; what could be read before is shown",
        ),
        ("audit.jsonl.2.gz", b"no gzip", "is damaged; what could be read before is shown"),
        ("audit.jsonl.2.xz", b"no xz", "is damaged; what could be read before is shown"),
        ("audit.jsonl.2.zst", b"", "is not searched, because .zst is not supported; decompress it first"),
    ],
)
@pytest.mark.parametrize("limit", [None, 1_000_000])
def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_searched(log, limit, name, octets, problem):
    log.write_bytes(line(time(9)))
    damaged = log.with_name(name)
    damaged.write_bytes(octets)
    times, found = search(log, limit)

    assert time(9) == times[-1]
    assert [log] == found.searched
    assert [f"{damaged}: {problem}"] == found.problems


def test_a_file_that_is_renamed_during_the_search_is_reported(log):
    write_rotated(log)
    found = AuditSearch(log, AuditFilter())
    log.with_name("audit.jsonl.1").rename(log.with_name("audit.jsonl.2"))

    assert days(1, 2, 4, 5) == [record["at"] for record in found.records()]
    assert [f"{log}.1: was renamed or deleted during the search; search again"] == found.problems


def test_a_directory_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        search(tmp_path / "nothing" / "audit.jsonl")


def test_a_snapshot_excludes_later_records(log):
    log.write_bytes(line(time(1)))
    status = log.stat()
    snapshot = Snapshot((status.st_dev, status.st_ino), status.st_size)
    with log.open("ab") as file:
        file.write(line(time(2)))

    assert [time(1)] == search(log, 9, snapshot)[0]
    log.rename(log.with_name("audit.jsonl.1"))
    log.write_bytes(line(time(3)))
    assert [] == search(log, 9, snapshot)[0]
    log.unlink()
    assert [] == search(log, 9, snapshot)[0]


def test_the_login_of_a_request_without_a_session_is_found(log):
    log.write_bytes(line(time(1), "", request_id="b2") + line(time(2), "a1") + line(time(3), "", detail="b2"))

    assert [time(1)] == search(log, login="b2")[0]


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_the_memory_does_not_depend_on_the_size_of_the_file(log, limit, compress):
    content = b"".join(line(time(minute), text="x" * 2000) for minute in range(1400)) * 10
    name = log if compress is bytes else log.with_name("audit.jsonl.1.gz")
    name.write_bytes(compress(content))
    assert len(content) > 25 * audit_lines.BLOCK
    found = AuditSearch(log, AuditFilter(user="bob") if limit is None else AuditFilter())
    tracemalloc.start()
    try:
        count = sum(1 for _ in (found.records() if limit is None else found.newest(limit)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (limit or 0) == count
    assert peak < 8 * audit_lines.BLOCK
