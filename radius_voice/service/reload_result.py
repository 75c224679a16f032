"""The result of a reload, for `radius-voice reload` and `radius-voice status`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from radius_voice.config.changes import Changes

RELOADED, FAILED = "reloaded", "failed"
TEXT_KEYS = ("errors", "added", "removed", "changed", "needs_restart", "warnings")
"""The keys of a result that are lists of texts."""


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The result of one reload, at wall-clock time `at`.

    `errors` are those of the configuration, with file and line; then nothing has changed. `generation` is the one that
    is in effect. `needs_restart` are changed keys that take effect at a restart only. No text holds a secret.
    """

    at: float
    generation: int
    errors: tuple[str, ...] = ()
    changes: Changes = field(default_factory=Changes)
    needs_restart: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def as_mapping(self) -> Mapping[str, Any]:
        """The result for JSON."""
        return {
            "result": FAILED if self.errors else RELOADED,
            "at": self.at,
            "generation": self.generation,
            "errors": self.errors,
            **asdict(self.changes),
            "needs_restart": self.needs_restart,
            "warnings": self.warnings,
        }


def merged_result(results: Sequence[Mapping[str, Any]], errors: Iterable[str] = ()) -> dict[str, Any]:
    """One result for several workers: failed if any of them failed, or if there are other `errors`."""
    merged: dict[str, Any] = {
        key: list(dict.fromkeys(text for result in results for text in result[key])) for key in TEXT_KEYS
    }
    merged["errors"] += errors
    merged["result"] = FAILED if merged["errors"] else RELOADED
    merged["at"] = max((result["at"] for result in results), default=0.0)
    merged["generation"] = min((result["generation"] for result in results), default=0)
    return merged


class ReloadProgress:
    """Lets others wait for the end of a reload. `finished` is the number of the last one that has ended.

    Reloads are numbered from 1. `result` is that of the last one, None if this process has had none.
    """

    def __init__(self, finished: int = 0) -> None:
        self._finished = finished
        self._news = asyncio.Condition()
        self.result: ReloadResult | None = None

    async def end(self, number: int, result: ReloadResult | None) -> None:
        """Record the end of a reload."""
        self._finished, self.result = number, result
        async with self._news:
            self._news.notify_all()

    async def wait_for(self, number: int) -> ReloadResult | None:
        """The result of that reload or a later one, once it has ended."""
        async with self._news:
            await self._news.wait_for(lambda: self._finished >= number)
        return self.result
