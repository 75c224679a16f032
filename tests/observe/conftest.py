from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.warning_recorder import WarningRecorder


class Clock:
    """A monotonic clock that tests advance, in seconds."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def warnings() -> WarningRecorder:
    return WarningRecorder()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the audit log is."""
    return tmp_path / "audit.jsonl"
