"""The records of a session are found in the audit log and in its rotated files."""

import gzip
import json

import pytest

from radius_voice.explain.audit_files import audit_files, login_records


def line(at, session="a1", **values):
    return json.dumps({"kind": "request", "at": at, "session": session, **values}).encode() + b"\n"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.jsonl"


def times(found):
    return [record["at"] for record in found.records]


def test_records_of_rotated_and_compressed_files_are_in_the_order_of_their_times(log):
    log.write_bytes(line("2026-11-03") + line("2026-11-03", "other"))
    log.with_name("audit.jsonl.1").write_bytes(line("2026-11-02"))
    log.with_name("audit.jsonl-20261101.gz").write_bytes(gzip.compress(line("2026-11-01")))
    log.with_name("audit-20261031.jsonl").write_bytes(line("2026-10-31"))

    found = login_records(log, "a1")

    assert ["2026-10-31", "2026-11-01", "2026-11-02", "2026-11-03"] == times(found)
    assert 4 == len(found.searched)
    assert () == found.problems


def test_files_of_other_names_and_directories_are_not_searched(log):
    log.write_bytes(b"")
    for name in ("audit.json", "my-audit.jsonl", "audits.jsonl", "audit.jsonl~"):
        log.with_name(name).write_bytes(line("2026-11-01"))
    log.with_name("audit.jsonl.d").mkdir()

    assert [log] == audit_files(log)


def test_lines_that_are_cut_short_or_have_the_id_elsewhere_are_skipped(log):
    log.write_bytes(line("1")[:-9] + b"\n" + line("2", "other", detail="a1") + b'"a1"\n' + line("3"))

    assert ["3"] == times(login_records(log, "a1"))


@pytest.mark.parametrize(
    ("name", "octets", "problem"),
    [
        ("audit.jsonl.2.gz", gzip.compress(line("1") * 2000)[:-20], "is damaged"),
        ("audit.jsonl.2.gz", b"no gzip", "Not a gzipped file (b'no')"),
        ("audit.jsonl.2.xz", b"", "is not searched, because only gzip is supported; decompress it first"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_searched(log, name, octets, problem):
    log.write_bytes(line("9"))
    damaged = log.with_name(name)
    damaged.write_bytes(octets)

    found = login_records(log, "a1")

    assert "9" == times(found)[-1]
    assert [log] == list(found.searched)
    assert (f"{damaged}: {problem}",) == found.problems


def test_a_directory_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        login_records(tmp_path / "nothing" / "audit.jsonl", "a1")
