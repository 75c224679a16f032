"""Each benchmark runs briefly, because the interfaces that it uses change more often than it is run."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from radius_voice.wiring.adapters import load
from tests.support.program_process import TIMEOUT

BENCH = Path(__file__).parents[2] / "bench"
RUNS = {
    "login_cpu": ["--help"],
    "voice_rate": ["--help"],
    "time_to_ring": ["--help"],
    "life": ["--help"],
    "passwords": ["--help"],
    "identity_sources": ["--users", "20", "--logins", "5", "--rounds", "1"],
    "reject_timing": ["--help"],
    "password_flood": ["--help"],
    "open_rows": ["--most", "0", "--stores", "memory"],
}


@pytest.mark.parametrize("bench", RUNS)
def test_every_benchmark_starts(bench):
    command = [sys.executable, str(BENCH / f"{bench}.py"), *RUNS[bench]]
    assert 0 == subprocess.run(command, timeout=6 * TIMEOUT, stdout=subprocess.DEVNULL).returncode


def test_the_configuration_of_the_benchmarks_is_valid(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    harness = importlib.import_module("harness")
    store = "{type: memory}"
    config = harness.configured(tmp_path, 1812, 9812, users=1, provider=harness.FIXED, store=store, workers=1)
    assert ["bench"] == [*load(config, {}).settings.clients]


@pytest.mark.parametrize(
    ("bench", "values"), [("password_flood", {"code": "123456"}), ("reject_timing", {"delay": "0s"})]
)
def test_a_benchmark_with_its_own_configuration_has_a_valid_one(tmp_path, monkeypatch, bench, values):
    monkeypatch.syspath_prepend(BENCH)
    template = importlib.import_module(bench).CONFIG
    (tmp_path / "users.yaml").write_text("{}")
    config = tmp_path / "radius-voice.yaml"
    config.write_text(template.format(port=1812, admin_port=9812, secret="a secret of the bench", **values))
    assert ["bench"] == [*load(config, {}).settings.clients]


def test_the_auc_is_the_probability_of_a_longer_time(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    timing = importlib.import_module("reject_timing")
    assert 0.5 == timing.auc([1.0, 2.0], [1.0, 2.0])
    assert 1.0 == timing.auc([3.0], [1.0, 2.0])
    assert 0.25 == timing.auc([1.0], [1.0, 2.0])


def test_every_benchmark_is_listed_on_the_page():
    page = (BENCH.parent / "docs" / "performance.md").read_text()
    assert [*RUNS] == [bench for bench in RUNS if f"<!-- bench/{bench}.py -->\n" in page]
