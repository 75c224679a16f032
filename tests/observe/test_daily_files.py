"""Daily files of the audit log: nothing is lost, one process renames, old files are deleted."""

import json
import os
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from radius_voice.observe.audit import AuditLog
from radius_voice.observe.daily_files import DailyFiles
from tests.observe import records

DAY = 86400.0
KEEP = 30 * DAY
FIRST = datetime(2026, 11, 26, 23, 59, tzinfo=UTC).timestamp()


@pytest.fixture
def open_log(path, clock, warnings):
    """Opens the audit log of one process. Its wall clock advances with the monotonic one."""
    logs = []
    offset = FIRST - clock()

    def open_log(now=lambda: clock() + offset):
        logs.append(AuditLog(path, clock, warnings, daily=DailyFiles(path, KEEP, now)))
        return logs[-1]

    yield open_log
    for log in logs:
        log.close()


@pytest.fixture
def write(clock):
    """Writes a record of the present time, named by its detail."""

    def write(log, detail):
        log(replace(records.LIFECYCLE, at=FIRST + clock() - 1000.0, detail=detail))

    return write


def details(path):
    return [json.loads(line)["detail"] for line in path.read_text().splitlines()]


def test_the_file_of_a_day_is_renamed_with_the_first_record_of_another(open_log, write, path, clock):
    log = open_log()
    write(log, "one")
    clock.pass_by(120.0)
    write(log, "two")
    assert ["one"] == details(path.with_name("audit.jsonl.2026-11-26"))
    assert ["two"] == details(path)
    assert 0o640 == path.stat().st_mode & 0o777
    clock.pass_by(DAY)
    write(log, "three")
    assert ["two"] == details(path.with_name("audit.jsonl.2026-11-27"))
    assert 0 == log.failures


def test_several_processes_rename_once_and_lose_nothing(open_log, write, path, clock):
    logs = [open_log() for _ in range(3)]
    for number, log in enumerate(logs):
        write(log, f"before {number}")
    clock.pass_by(120.0)
    for number, log in enumerate([*logs, *logs]):
        write(log, f"after {number}")
    files = sorted(file.name for file in path.parent.iterdir())
    assert ["audit.jsonl", "audit.jsonl.2026-11-26"] == files
    assert [f"before {number}" for number in range(3)] == details(path.with_name(files[1]))
    assert [f"after {number}" for number in range(6)] == details(path)


def test_a_record_of_the_new_day_does_not_hide_that_the_file_is_of_another(open_log, write, path, clock):
    """A process checks once a second, so it may still write into the file after midnight."""
    late, early = open_log(), open_log()
    clock.pass_by(59.5)
    write(late, "before midnight")
    clock.pass_by(0.7)
    write(late, "after midnight")
    write(early, "first check after midnight")
    assert ["before midnight", "after midnight"] == details(path.with_name("audit.jsonl.2026-11-26"))
    assert ["first check after midnight"] == details(path)


def test_a_restarted_service_renames_the_file_of_an_earlier_day(open_log, write, path, clock):
    write(open_log(), "one")
    clock.pass_by(3 * DAY)
    write(open_log(), "two")
    assert (["one"], ["two"]) == (details(path.with_name("audit.jsonl.2026-11-26")), details(path))


def test_a_name_that_exists_is_not_overwritten(open_log, write, path, clock):
    path.with_name("audit.jsonl.2026-11-26").write_text("kept")
    log = open_log()
    write(log, "one")
    clock.pass_by(120.0)
    write(log, "two")
    assert "kept" == path.with_name("audit.jsonl.2026-11-26").read_text()
    assert ["one"] == details(path.with_name("audit.jsonl.2026-11-26.1"))


def test_a_clock_that_was_set_back_renames_nothing(open_log, write, path, clock):
    write(open_log(), "one")
    write(open_log(now=lambda: FIRST - DAY), "two")
    assert ["one", "two"] == details(path)


def test_old_files_are_deleted_and_no_others(open_log, write, path, clock):
    old, young = FIRST - KEEP - 1.0, FIRST - KEEP + DAY
    written = {
        "audit.jsonl.2026-10-01": old,
        "audit.jsonl.2026-10-01.1": old,
        "audit.jsonl.2026-10-28": young,
        "audit.jsonl.1": old,
        "audit.jsonl-20261001": old,
        "other.jsonl.2026-10-01": old,
        "audit.jsonl.2026-10-01.gz": old,
    }
    for name, at in written.items():
        path.with_name(name).write_text("{}\n")
        os.utime(path.with_name(name), (at, at))
    log = open_log()
    write(log, "one")
    clock.pass_by(120.0)
    write(log, "two")
    left = {file.name for file in path.parent.iterdir()} - {"audit.jsonl", "audit.jsonl.2026-11-26"}
    assert set(written) - {"audit.jsonl.2026-10-01", "audit.jsonl.2026-10-01.1"} == left


def test_a_failure_is_counted_reported_and_loses_no_record(open_log, write, path, clock, warnings, monkeypatch):
    def refuse(self, target):
        raise PermissionError(13, "Permission denied", str(self))

    log = open_log()
    write(log, "one")
    with monkeypatch.context() as directory:
        directory.setattr("pathlib.Path.rename", refuse)
        clock.pass_by(120.0)
        write(log, "two")
        clock.pass_by(2.0)
        write(log, "three")
    assert (1, ["one", "two", "three"]) == (log.failures, details(path))
    problem = "cannot rename the file of a day, or delete an old one: Permission denied"
    assert [f"audit: {path}: {problem} (1 failures since start)"] == warnings
    clock.pass_by(60.0)
    write(log, "four")
    assert ["one", "two", "three"] == details(path.with_name("audit.jsonl.2026-11-26"))
    assert ["four"] == details(path)


def test_a_fifo_is_not_renamed(open_log, write, path, clock):
    os.mkfifo(path)
    log = open_log()
    clock.pass_by(2 * DAY)
    write(log, "one")
    assert path.is_fifo()


def test_a_first_line_that_was_cut_short_counts_by_the_time_of_the_file(open_log, write, path, clock):
    path.write_text('{"kind":"servi')
    os.utime(path, (FIRST - DAY, FIRST - DAY))
    write(open_log(), "one")
    assert '{"kind":"servi' == path.with_name("audit.jsonl.2026-11-25").read_text()
    assert ["one"] == details(path)
