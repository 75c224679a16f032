"""Commands whose standard output is full, closed, or a pipe that another program has closed."""

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from radius_voice.cli.output import open_closed_descriptors
from tests.support.program_process import PROGRAM, TIMEOUT

USER = {"alice": {"phones": ["+14155550123"]}}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "users.yaml").write_text(json.dumps(USER))
    (tmp_path / "users.yaml").chmod(0o600)
    (tmp_path / "audit.jsonl").write_text('{"at":"2026-11-26T00:00:00.000Z","kind":"request"}\n')
    return tmp_path


COMMANDS = [
    ("--help",),
    ("users", "--help"),
    ("completion", "bash"),
    ("users", "list", "--file", "users.yaml"),
    ("audit", "search", "--audit", "audit.jsonl"),
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_full_standard_output_is_one_line_of_error(files, words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, *words], cwd=files, stdout=full, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False
        )
    assert (1, f"Error: standard output: {os.strerror(errno.ENOSPC)}\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_pipe_that_is_closed_ends_the_command_without_a_message(files, words):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*PROGRAM, *words], cwd=files, stdout=writer, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False
        )
    finally:
        os.close(writer)
    assert (1, b"") == (done.returncode, done.stderr)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_runs_with_a_closed_standard_stream(files, closed):
    configuration = """\
development: true
clients: {gateway: {address: 127.0.0.1, secret: a shared secret of the tests}}
identity: {people: {type: users_file, path: users.yaml}}
delivery: {friendly_name: ACME VPN, providers: {fixed: {type: fixed, code: "123456"}}}
admin: {listen: "127.0.0.1:0"}
server: {listen: ["udp://127.0.0.1:0"]}
"""
    (files / "radius-voice.yaml").write_text(configuration)
    (files / "radius-voice.yaml").chmod(0o600)
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *PROGRAM, "check", "--config", "radius-voice.yaml"]
    done = subprocess.run(command, cwd=files, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert 0 == done.returncode, done.stderr


def test_streams_that_are_open_are_left_as_they_are():
    before = [os.fstat(number) for number in (0, 1, 2)]
    open_closed_descriptors()
    assert [each.st_ino for each in before] == [os.fstat(number).st_ino for number in (0, 1, 2)]
