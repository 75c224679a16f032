"""The result of a reload, for `radius-voice reload` and `radius-voice status`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from radius_voice.config.changes import Changes

RELOADED, FAILED = "reloaded", "failed"
TEXT_KEYS = ("errors", "added", "removed", "changed", "needs_restart", "warnings")
"""The keys of a result that are lists of texts."""


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The result of one reload, at wall-clock time `at`.

    `errors` are the errors of the configuration, with file and line; if there are any, nothing has changed.
    `generation` is the number of the generation in effect. `needs_restart` are the changed keys that take effect only
    after a restart. No text holds a secret.
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


def response_of(result: ReloadResult | None) -> Mapping[str, Any]:
    """The response of a process to RELOAD_RESULT."""
    return {"reload": None if result is None else result.as_mapping()}


def merged_result(
    facts: Mapping[str, Any], responses: Mapping[int, Mapping[str, Any]], workers: int
) -> Mapping[str, Any]:
    """The result for the service: failed if it failed in any process. `responses` are the workers' results, by number.

    A worker that was started during the reload has no result, because it started with the new configuration. `facts`
    has the path of the configuration.
    """
    results = [each["reload"] for each in responses.values() if each["reload"] is not None]
    merged: dict[str, Any] = {
        key: list(dict.fromkeys(text for result in results for text in result[key])) for key in TEXT_KEYS
    }
    missing = [number for number in range(workers) if number not in responses]
    merged["errors"] += [f"worker {number} has sent no result; see: radius-voice status" for number in missing]
    if not results and not missing:
        merged["errors"].append("the service has no result; see its log")
    return {
        "result": FAILED if merged["errors"] else RELOADED,
        "config": facts["config"],
        "generation": min((result["generation"] for result in results), default=0),
        **merged,
    }


class ReloadProgress:
    """Lets others wait for the end of a reload. Reloads are numbered from 1; reload `finished` has already ended.

    `result` is the result of the last reload, None if this process has had none.
    """

    def __init__(self, finished: int = 0) -> None:
        self._finished = finished
        self._news = asyncio.Condition()
        self.result: ReloadResult | None = None

    async def end(self, number: int, result: ReloadResult | None) -> None:
        """Record the end of a reload."""
        self._finished, self.result = max(number, self._finished), result
        async with self._news:
            self._news.notify_all()

    async def wait_for(self, number: int) -> ReloadResult | None:
        """The result of that reload or a later one, once it has ended."""
        async with self._news:
            await self._news.wait_for(lambda: self._finished >= number)
        return self.result
