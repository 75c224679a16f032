"""Arguments that are no text, or that no name can be, are reported."""

import os
import subprocess

import pytest

from radius_voice.resources import shipped
from tests.support.program_process import PROGRAM, TIMEOUT

CONFIGURATION = shipped("config") / "demo.yaml"
NOT_UTF_8 = os.fsdecode(b"\xff\xfe\xe9")


def run(*words):
    return subprocess.run([*PROGRAM, *words], capture_output=True, timeout=TIMEOUT, check=False)


@pytest.mark.parametrize("host", [NOT_UTF_8, "x" * 300])
def test_a_host_that_no_name_can_be_is_reported(host):
    done = run("login", host, "alice")
    assert (1, True) == (done.returncode, done.stderr.endswith(b": no such host\n"))


def test_a_calling_station_id_may_have_any_octets():
    done = run("explain", "alice", "--calling-station-id", NOT_UTF_8, "--config", str(CONFIGURATION))
    assert b"internal error" not in done.stderr
