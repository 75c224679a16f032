"""The files of an audit log, and the messages about those that cannot be read."""

import bz2
import gzip
import lzma

import pytest

from radius_voice.explain.audit_files import audit_files, denied_text, opened, problem_text


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.jsonl"


def test_files_of_other_names_and_directories_are_not_listed(log):
    log.touch()
    for name in ("audit.json", "my-audit.jsonl", "audits.jsonl", "audit.jsonl~"):
        log.with_name(name).touch()
    log.with_name("audit.jsonl.d").mkdir()

    assert [log] == audit_files(log)


@pytest.mark.parametrize(
    "name",
    [
        *("audit.jsonl.1", "audit.jsonl.2.gz", "audit.jsonl-20261126", "audit.jsonl-20261126.gz"),
        *("audit-20261126.jsonl", "audit.jsonl-2026112613.xz", "audit.jsonl.2026-11-26", "audit.jsonl.2026-11-26.1"),
    ],
)
def test_names_of_logrotate_and_of_daily_files_are_listed(log, name):
    rotated = log.with_name(name)
    rotated.touch()

    assert [rotated] == audit_files(log)


def test_a_file_that_is_being_compressed_is_listed_once(log):
    for name in ("audit.jsonl.1", "audit.jsonl.1.gz", "audit.jsonl.2.gz"):
        log.with_name(name).touch()

    assert ["audit.jsonl.1", "audit.jsonl.2.gz"] == [file.name for file in audit_files(log)]


@pytest.mark.parametrize(("end", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_compressed_files_are_decompressed(log, end, compress):
    file = log.with_name(f"audit.jsonl.1.{end}")
    file.write_bytes(compress(b"{}\n"))

    octets, decompressed = opened(file)
    with octets:
        assert b"{}\n" == decompressed.read(100)


def test_a_compression_that_is_not_supported_says_what_to_do(log):
    file = log.with_name("audit.jsonl.1.zst")
    file.touch()
    with pytest.raises(OSError) as problem:
        opened(file)

    assert f"{file}: is not searched, because .zst is not supported; decompress it first" == problem_text(
        file, problem.value
    )


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (FileNotFoundError(2, "No such file"), "was renamed or deleted during the search; search again"),
        (EOFError(), "is damaged; what could be read before is shown"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_an_error_of_reading_names_the_file(log, problem, text):
    assert f"{log}: {text}" == problem_text(log, problem)


def test_a_file_of_another_user_names_its_owner_and_the_fix(log):
    log.touch(0o640)
    log.chmod(0o640)
    text = problem_text(log, PermissionError(13, "Permission denied"))

    assert text.startswith(f"{log}: permission denied (mode 0640, owner ")
    assert "run this command as root" in text


def test_a_directory_whose_files_have_no_known_owner_names_the_user_of_the_service(log):
    assert f"{log}: permission denied; run this command as root or as the user of the service" == denied_text(log)
