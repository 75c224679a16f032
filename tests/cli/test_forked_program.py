"""The programs that tests fork print and end as those that users start."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.forked_program import ForkedProgram
from tests.support.program_process import INTERPRETER, TIMEOUT


def forked(words):
    return ForkedProgram(words, subprocess.DEVNULL, Path.cwd(), {"LANG": "C.UTF-8"})


@pytest.mark.parametrize("words", [["--version"], ["serve", "--nonsense"], ["check", "--config", "/nowhere.yaml"]])
def test_a_forked_program_has_the_output_and_exit_code_of_an_interpreter(words):
    program = forked(words)
    with program.stdout, program.stderr:
        result = (program.stdout.read(), program.stderr.read(), program.wait(TIMEOUT))
    expected = subprocess.run([*INTERPRETER, *words], capture_output=True, text=True, timeout=TIMEOUT)
    assert (expected.stdout, expected.stderr, expected.returncode) == result


def test_the_exit_code_of_a_killed_program_is_its_signal():
    program = forked(["simulate-twilio", "--listen", "127.0.0.1:0"])
    with program.stdout, program.stderr:
        assert "simulated Twilio" in program.stdout.readline()
        assert program.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0)
        program.kill()
        assert -signal.SIGKILL == program.wait(TIMEOUT)
