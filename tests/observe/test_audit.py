from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from radius_voice.observe.audit import AuditLog, append
from tests.observe import records


@pytest.fixture
def audit(path, clock, warnings):
    log = AuditLog(path, clock, warnings)
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
            "client_address": "198.51.100.7",
            "identifier": 17,
            "outcome": "accept",
            "reason": "code_correct",
            "seconds": 0.012346,
            "user": "alice",
            "typed_user": "ALICE",
            "session": "a1b2",
            "calling_station_id": "203.0.113.9",
            "phone": "+14*******23",
            "login_seconds": 21.5,
            "secret": 2,
            "repeated": 3,
            "rule": "policies.staff.exemptions[0]",
            "rule_reason": "no phone line in the data centre",
            "mode": "report",
            "would_outcome": "reject",
            "would_reason": "no_phone",
            "second_factor": "two_pass",
            "request_id": "0123456789abcdef",
            "steps": [
                {"name": "limits", "after": 0.0001},
                {"name": "first_factor", "after": 0.004, "detail": "people"},
            ],
        }
    ] == lines(path)


def test_empty_keys_are_omitted(audit, path):
    audit(replace(records.BARE_REQUEST, login_seconds=float("0")))
    audit(records.BARE_CALL)
    audit(records.UNKNOWN_CLIENT)

    assert [
        {"at", "kind", "client", "client_address", "identifier", "outcome", "reason", "seconds"},
        {"at", "kind", "session", "provider", "phone", "result", "seconds"},
        {"at", "kind", "client_address", "reason"},
    ] == [set(line) for line in lines(path)]


def test_calls_status_changes_expiries_and_service_events_are_recorded(audit, path):
    for record in (records.CALL, records.FOLLOWED, records.DISCARDED, records.ENDED, records.LIFECYCLE):
        audit(record)
    at = "2026-01-01T00:00:00.250Z"

    assert [
        {
            "at": at,
            "kind": "delivery",
            "session": "a1b2",
            "provider": "twilio",
            "phone": "+14*******23",
            "result": "not_placed",
            "seconds": 0.2,
            "reference": "CA1",
            "detail": "20003: credentials refused",
            "alarm": True,
            "fix": "compare account_sid and auth_token with the Twilio console",
            "method": "sms",
            "mode": "report",
        },
        {
            "at": at,
            "kind": "call_status",
            "session": "a1b2",
            "provider": "twilio",
            "reference": "CA1",
            "status": "completed",
            "mode": "report",
        },
        {
            "at": at,
            "kind": "discarded",
            "client_address": "198.51.100.7",
            "reason": "malformed",
            "client": "hq-vpn",
            "detail": "length 3",
        },
        {"at": at, "kind": "sessions_expired", "count": 3},
        {"at": at, "kind": "service", "event": "reload_failed", "detail": "clients.hq-vpn.secret: missing"},
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
    "name", ["two\nlines", "cr\rnul\x00esc\x1b[2J", "stray \udcff", "\u2028\x85", "del\x7f", "Zoë \u202eeve", '"},{"']
)
def test_no_name_breaks_a_line_or_reaches_a_terminal(audit, path, name):
    audit(replace(records.REQUEST, user=name, calling_station_id=name))

    assert [name] == [line["user"] for line in lines(path)]
    assert path.read_bytes()[:-1].decode("ascii").isprintable()


def test_a_flood_of_discards_is_one_line_a_second_and_a_count(audit, path, clock):
    for _ in range(1000):
        audit(records.DISCARDED)
    audit(records.UNKNOWN_CLIENT)
    clock.pass_by(1.0)
    audit(records.DISCARDED)

    assert [("hq-vpn", None), (None, None), ("hq-vpn", {"malformed": 999})] == [
        (line.get("client"), line.get("suppressed")) for line in lines(path)
    ]


def test_only_the_group_can_read_the_file_whatever_the_umask(path, clock, warnings):
    before = os.umask(0o077)
    try:
        AuditLog(path, clock, warnings).close()
    finally:
        os.umask(before)

    assert 0o640 == stat.S_IMODE(path.stat().st_mode)


def test_an_administrators_mode_and_earlier_records_are_kept(path, clock, warnings):
    path.write_text('{"kind":"earlier"}\n')
    path.chmod(0o600)

    audit = AuditLog(path, clock, warnings)
    audit(records.ENDED)
    audit.close()

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert ["earlier", "sessions_expired"] == [line["kind"] for line in lines(path)]


def test_a_line_truncated_by_a_crash_does_not_merge_with_the_next(path, clock, warnings):
    path.write_text('{"kind":"requ')

    audit = AuditLog(path, clock, warnings)
    audit(records.ENDED)
    audit.close()

    assert '{"kind":"requ' == path.read_text().split("\n")[0]
    assert "sessions_expired" == json.loads(path.read_text().split("\n")[1])["kind"]


def test_a_command_appends_to_an_existing_audit_log_and_creates_none(path):
    with pytest.raises(FileNotFoundError):
        append(path, records.OPERATED)
    assert not path.exists()
    path.write_text('{"kind":"requ')
    append(path, records.OPERATED)
    append(path, records.OPERATED)
    cut, *written = path.read_text().splitlines()
    assert '{"kind":"requ' == cut
    assert ["operator", "operator"] == [json.loads(line)["kind"] for line in written]


def test_a_missing_directory_is_reported_with_its_fix(tmp_path, clock, warnings):
    with pytest.raises(FileNotFoundError, match=r"directory does not exist; create it.*missing"):
        AuditLog(tmp_path / "missing" / "audit.jsonl", clock, warnings)


def test_a_full_disk_raises_nothing_and_is_reported_once_a_minute(clock, warnings):
    audit = AuditLog(Path("/dev/full"), clock, warnings)
    for _ in range(5):
        audit(records.REQUEST)
    clock.pass_by(60.0)
    audit(records.REQUEST)
    audit.close()

    assert 6 == audit.failures
    assert audit.problem.startswith("audit: /dev/full: a record was not written: No space left on device")
    assert [
        "audit: /dev/full: a record was not written: No space left on device (1 failures since start)",
        "audit: /dev/full: a record was not written: No space left on device (6 failures since start)",
    ] == warnings


def test_a_fifo_without_a_reader_loses_records_and_blocks_nothing(path, clock, warnings):
    os.mkfifo(path)
    audit = AuditLog(path, clock, warnings)
    for _ in range(1000):  # more than a pipe holds
        audit(records.REQUEST)
    audit.close()
    assert audit.failures
    assert "a record was not written: Resource temporarily unavailable" in warnings[0]


def test_a_truncated_record_is_followed_by_the_next_on_a_new_line(audit, path, warnings, monkeypatch):
    write = os.write
    with monkeypatch.context() as disk:
        disk.setattr(os, "write", lambda fd, data: write(fd, data[:20]))
        audit(records.REQUEST)
    assert "cut short" in audit.problem
    audit(records.ENDED)
    audit(records.ENDED)

    assert "" == audit.problem
    torn, *whole = path.read_text().split("\n")[:-1]
    assert 20 == len(torn)
    assert ["sessions_expired", "sessions_expired"] == [json.loads(line)["kind"] for line in whole]
    assert 1 == audit.failures
    assert ["cut short" in text for text in warnings] == [True]


def test_a_rotated_file_is_followed_within_a_second(audit, path, clock):
    audit(records.REQUEST)
    path.rename(path.with_suffix(".1"))
    audit(records.CALL)
    clock.pass_by(1.0)
    audit(records.ENDED)

    assert ["request", "delivery"] == [line["kind"] for line in lines(path.with_suffix(".1"))]
    assert ["sessions_expired"] == [line["kind"] for line in lines(path)]


def test_the_name_is_looked_up_once_a_second_at_most(audit, path, clock):
    clock.pass_by(1.0)
    audit(records.REQUEST)
    path.rename(path.with_suffix(".1"))
    clock.pass_by(0.9)
    audit(records.CALL)

    assert ["request", "delivery"] == [line["kind"] for line in lines(path.with_suffix(".1"))]
    assert not path.exists()


def test_a_new_file_with_the_same_name_is_followed(audit, path, clock):
    path.rename(path.with_suffix(".1"))
    path.touch()
    clock.pass_by(1.0)
    audit(records.ENDED)

    assert ["sessions_expired"] == [line["kind"] for line in lines(path)]


def test_reopen_follows_a_rotation_immediately(audit, path):
    path.rename(path.with_suffix(".1"))
    audit.reopen()
    audit(records.ENDED)

    assert ["sessions_expired"] == [line["kind"] for line in lines(path)]


def test_the_old_file_is_written_while_the_new_one_cannot_be_opened(audit, path, clock, warnings):
    moved = path.parent.with_name("moved")
    path.parent.rename(moved)
    clock.pass_by(1.0)
    audit(records.ENDED)

    assert ["sessions_expired"] == [line["kind"] for line in lines(moved / path.name)]
    assert 1 == audit.failures
    assert "cannot be reopened" in warnings[0]


def test_without_a_path_records_go_to_standard_output(clock, warnings, capfd):
    audit = AuditLog(None, clock, warnings)
    audit(records.ENDED)
    clock.pass_by(5.0)
    audit.reopen()
    audit(records.ENDED)
    audit.close()

    assert 2 == capfd.readouterr().out.count('"kind":"sessions_expired"')
