"""How `serve` tunes the interpreter."""

import subprocess
import sys

PROGRAM = """\
import gc, sys
from radius_voice.cli.serve import tune_interpreter
tune_interpreter()
print(sys.getswitchinterval(), gc.get_freeze_count() > 0, gc.get_threshold()[0])
"""


def test_the_event_loop_waits_half_a_millisecond_for_a_thread_that_computes():
    shown = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert ["0.0005", "True", "50000"] == shown.split()
