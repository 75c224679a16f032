from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from radius_voice.observe.audit import AuditLog, append
from tests.observe import records


class Complaints(list):
    def __call__(self, text):
        self.append(text)


@pytest.fixture
def complaints():
    return Complaints()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.jsonl"


@pytest.fixture
def audit(path, clock, complaints):
    log = AuditLog(path, clock, complaints)
    yield log
    log.close()


def lines(path):
    return [json.loads(line) for line in path.read_text("ascii").split("\n")[:-1]]


def test_a_request_is_one_line_with_its_steps_inside(audit, path):
    audit(records.REQUEST)

    assert [
        {
            "at": "2026-01-01T00:00:00.250Z",
            "kind": "request",
            "client": "hq-vpn",
            "source": "198.51.100.7",
            "identifier": 17,
            "outcome": "accept",
            "reason": "code_right",
            "seconds": 0.012346,
            "user": "alice",
            "typed": "ALICE",
            "login": "a1b2",
            "calling_station": "203.0.113.9",
            "phone": "+14*******23",
            "login_seconds": 21.5,
            "secret": 2,
            "repeated": 3,
            "steps": [
                {"name": "limits", "after": 0.0001},
                {"name": "first_factor", "after": 0.004, "detail": "people"},
            ],
        }
    ] == lines(path)


def test_keys_with_nothing_to_say_are_left_out(audit, path):
    audit(records.BARE_REQUEST)
    audit(records.BARE_CALL)
    audit(records.STRANGER)

    assert [
        {"at", "kind", "client", "source", "identifier", "outcome", "reason", "seconds"},
        {"at", "kind", "login", "provider", "phone", "result", "seconds"},
        {"at", "kind", "source", "reason"},
    ] == [set(line) for line in lines(path)]


def test_calls_their_changes_endings_and_the_services_life_are_recorded(audit, path):
    for record in (records.CALL, records.FOLLOWED, records.DISCARDED, records.ENDED, records.LIFECYCLE):
        audit(record)
    at = "2026-01-01T00:00:00.250Z"

    assert [
        {
            "at": at,
            "kind": "call",
            "login": "a1b2",
            "provider": "twilio",
            "phone": "+14*******23",
            "result": "not_placed",
            "seconds": 0.2,
            "reference": "CA1",
            "detail": "20003: credentials refused",
            "alarm": True,
        },
        {
            "at": at,
            "kind": "followed",
            "login": "a1b2",
            "provider": "twilio",
            "reference": "CA1",
            "status": "completed",
        },
        {
            "at": at,
            "kind": "discarded",
            "source": "198.51.100.7",
            "reason": "malformed",
            "client": "hq-vpn",
            "detail": "length 3",
        },
        {"at": at, "kind": "ended", "count": 3},
        {"at": at, "kind": "lifecycle", "what": "reload_failed", "detail": "clients.hq-vpn.secret: missing"},
    ] == lines(path)


def test_a_retransmission_leaves_no_record(audit, path):
    audit(records.RESENT)

    assert [] == lines(path)


@pytest.mark.parametrize(
    ("at", "text"),
    [(0.0, "1970-01-01T00:00:00.000Z"), (1767225600.9996, "2026-01-01T00:00:01.000Z")],
)
def test_times_are_utc_with_milliseconds(audit, path, at, text):
    audit(replace(records.ENDED, at=at))

    assert text == lines(path)[0]["at"]


@pytest.mark.parametrize(
    "name", ["two\nlines", "cr\rnul\x00esc\x1b[2J", "stray \udcff", "\u2028\x85", "Zoë \u202eeve", '"},{"']
)
def test_no_name_breaks_a_line_or_reaches_a_terminal(audit, path, name):
    audit(replace(records.REQUEST, user=name, calling_station=name))

    assert [name] == [line["user"] for line in lines(path)]
    assert path.read_bytes()[:-1].decode("ascii").isprintable()


def test_a_flood_of_discards_is_one_line_a_second_and_a_count(audit, path, clock):
    for _ in range(1000):
        audit(records.DISCARDED)
    audit(records.STRANGER)
    clock.pass_by(1.0)
    audit(records.DISCARDED)

    assert [("hq-vpn", None), (None, None), ("hq-vpn", {"malformed": 999})] == [
        (line.get("client"), line.get("suppressed")) for line in lines(path)
    ]


def test_the_file_is_readable_by_its_group_alone_whatever_the_umask(path, clock, complaints):
    before = os.umask(0o077)
    try:
        AuditLog(path, clock, complaints).close()
    finally:
        os.umask(before)

    assert 0o640 == stat.S_IMODE(path.stat().st_mode)


def test_an_administrators_mode_and_earlier_records_are_kept(path, clock, complaints):
    path.write_text('{"kind":"earlier"}\n')
    path.chmod(0o600)

    audit = AuditLog(path, clock, complaints)
    audit(records.ENDED)
    audit.close()

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert ["earlier", "ended"] == [line["kind"] for line in lines(path)]


def test_a_line_that_a_crash_cut_short_stays_alone(path, clock, complaints):
    path.write_text('{"kind":"requ')

    audit = AuditLog(path, clock, complaints)
    audit(records.ENDED)
    audit.close()

    assert '{"kind":"requ' == path.read_text().split("\n")[0]
    assert "ended" == json.loads(path.read_text().split("\n")[1])["kind"]


def test_a_command_appends_to_an_audit_log_that_exists_and_creates_none(path):
    with pytest.raises(FileNotFoundError):
        append(path, records.OPERATED)
    assert not path.exists()
    path.write_text('{"kind":"requ')
    append(path, records.OPERATED)
    append(path, records.OPERATED)
    cut, *written = path.read_text().splitlines()
    assert '{"kind":"requ' == cut
    assert ["operator", "operator"] == [json.loads(line)["kind"] for line in written]


def test_a_missing_directory_is_named_with_its_mend(tmp_path, clock, complaints):
    with pytest.raises(FileNotFoundError, match=r"directory does not exist; create it.*missing"):
        AuditLog(tmp_path / "missing" / "audit.jsonl", clock, complaints)


def test_a_full_disk_raises_nothing_and_is_told_once_a_minute(clock, complaints):
    audit = AuditLog(Path("/dev/full"), clock, complaints)
    for _ in range(5):
        audit(records.REQUEST)
    clock.pass_by(60.0)
    audit(records.REQUEST)
    audit.close()

    assert 6 == audit.failures
    assert [
        "audit: /dev/full: a record was not written: No space left on device (1 failures since start)",
        "audit: /dev/full: a record was not written: No space left on device (6 failures since start)",
    ] == complaints


def test_a_fifo_that_no_process_reads_loses_records_and_stops_nothing(path, clock, complaints):
    os.mkfifo(path)
    audit = AuditLog(path, clock, complaints)
    for _ in range(1000):  # more than a pipe holds
        audit(records.REQUEST)
    audit.close()
    assert audit.failures
    assert "a record was not written: Resource temporarily unavailable" in complaints[0]


def test_after_a_write_cut_short_the_next_record_starts_on_a_line_of_its_own(audit, path, complaints, monkeypatch):
    write = os.write
    with monkeypatch.context() as disk:
        disk.setattr(os, "write", lambda fd, data: write(fd, data[:20]))
        audit(records.REQUEST)
    audit(records.ENDED)
    audit(records.ENDED)

    torn, *whole = path.read_text().split("\n")[:-1]
    assert 20 == len(torn)
    assert ["ended", "ended"] == [json.loads(line)["kind"] for line in whole]
    assert 1 == audit.failures
    assert ["cut short" in text for text in complaints] == [True]


def test_a_rotated_file_is_followed_within_a_second(audit, path, clock):
    audit(records.REQUEST)
    path.rename(path.with_suffix(".1"))
    audit(records.CALL)
    clock.pass_by(1.0)
    audit(records.ENDED)

    assert ["request", "call"] == [line["kind"] for line in lines(path.with_suffix(".1"))]
    assert ["ended"] == [line["kind"] for line in lines(path)]


def test_the_name_is_looked_up_once_a_second_at_most(audit, path, clock):
    clock.pass_by(1.0)
    audit(records.REQUEST)
    path.rename(path.with_suffix(".1"))
    clock.pass_by(0.9)
    audit(records.CALL)

    assert ["request", "call"] == [line["kind"] for line in lines(path.with_suffix(".1"))]
    assert not path.exists()


def test_a_new_file_under_the_name_is_followed_too(audit, path, clock):
    path.rename(path.with_suffix(".1"))
    path.touch()
    clock.pass_by(1.0)
    audit(records.ENDED)

    assert ["ended"] == [line["kind"] for line in lines(path)]


def test_reopen_follows_a_rotation_at_once(audit, path):
    path.rename(path.with_suffix(".1"))
    audit.reopen()
    audit(records.ENDED)

    assert ["ended"] == [line["kind"] for line in lines(path)]


def test_the_old_file_is_written_while_the_new_one_cannot_be_opened(audit, path, clock, complaints):
    moved = path.parent.with_name("moved")
    path.parent.rename(moved)
    clock.pass_by(1.0)
    audit(records.ENDED)

    assert ["ended"] == [line["kind"] for line in lines(moved / path.name)]
    assert 1 == audit.failures
    assert "cannot be opened again" in complaints[0]


def test_without_a_path_records_go_to_standard_output(clock, complaints, capfd):
    audit = AuditLog(None, clock, complaints)
    audit(records.ENDED)
    clock.pass_by(5.0)
    audit.reopen()
    audit(records.ENDED)
    audit.close()

    assert 2 == capfd.readouterr().out.count('"kind":"ended"')
