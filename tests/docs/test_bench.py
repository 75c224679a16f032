"""The benches run, a little: what they call in the house changes more often than anybody measures."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.house import PATIENCE

BENCH = Path(__file__).parents[2] / "bench"
RUNS = {
    "login_cpu": ["--help"],
    "compiled": ["--help"],
    "voice_rate": ["--help"],
    "time_to_ring": ["--help"],
    "life": ["--help"],
    "passwords": ["--help"],
    "password_flood": ["--help"],
    "open_rows": ["--most", "0", "--stores", "memory"],
}


@pytest.mark.parametrize("bench", RUNS)
def test_every_bench_starts(bench):
    command = [sys.executable, BENCH / f"{bench}.py", *RUNS[bench]]
    assert 0 == subprocess.run(command, timeout=PATIENCE, stdout=subprocess.DEVNULL).returncode


def test_every_bench_has_its_place_on_the_page():
    page = (BENCH.parent / "docs" / "performance.md").read_text()
    assert [*RUNS] == [bench for bench in RUNS if f"<!-- bench/{bench}.py -->\n" in page]


def test_the_modules_that_are_compiled_for_the_comparison_exist():
    code = (BENCH / "compiled.py").read_text()
    hot = code.split('HOT = """')[1].split('"""')[0].split()
    assert [] == [module for module in hot if not (BENCH.parent / "radius_voice" / f"{module}.py").is_file()]
