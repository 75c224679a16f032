"""Merges the metrics of the processes of one service into one page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

SHARED = frozenset(
    {
        "radius_voice_open_sessions",
        "radius_voice_bypass_active",
        "radius_voice_development",
        "radius_voice_report_mode",
        "radius_voice_build_info",
        "radius_voice_worker_deaths",
        "radius_voice_users_file_invalid",
        "radius_voice_provider_skipped",
    }
)
"""Metrics of states that all processes share. Their maximum over the processes is shown, and not their sum."""


class _Merged(Collector):
    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}
        self._values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}

    def add(self, page: str, wanted: Callable[[Metric], bool]) -> None:
        for family in text_string_to_metric_families(page):
            if wanted(family):
                self._add(family)

    def _add(self, family: Metric) -> None:
        known = self._families.setdefault(family.name, family)
        values = self._values.setdefault(known.name, {})
        for sample in family.samples:
            name = (sample.name, tuple(sorted(sample.labels.items())))
            before = values.get(name, 0.0)
            values[name] = max(before, sample.value) if family.name in SHARED else before + sample.value

    def collect(self) -> Iterable[Metric]:
        for family in self._families.values():
            values = self._values[family.name]
            merged_family = Metric(family.name, family.documentation, family.type)
            merged_family.samples = [Sample(name, dict(labels), value) for (name, labels), value in values.items()]
            yield merged_family


def _only_grows(family: Metric) -> bool:
    return family.type in {"counter", "histogram"}


def merged(pages: Iterable[str], ended: Iterable[str] = ()) -> bytes:
    """The sum of the pages, in Prometheus's text format. Of the `ended` pages only counters and histograms count."""
    sums = _Merged()
    for page in pages:
        sums.add(page, lambda _: True)
    for page in ended:
        sums.add(page, _only_grows)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(sums)
    return generate_latest(registry)


class MetricsMerger:
    """Merges the pages of all workers so that no counter decreases when a worker is replaced.

    The counts are also kept in the file `path`, so that they survive a restart of this process. Counts of a worker
    since its last page are lost when it ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ended = ""
        self._last: dict[str, tuple[int, str]] = {}
        with suppress(FileNotFoundError, ValueError):
            self._ended, self._last = json.loads(path.read_bytes())

    def page(self, responses: Mapping[int, tuple[int, str]]) -> bytes:
        """The merged page. `responses` has, by worker, which of its processes responded (1, 2, ...) and its page."""
        for worker, (process, page) in responses.items():
            before, counted = self._last.get(str(worker), (process, ""))
            if before != process:
                self._ended = merged([], [self._ended, counted]).decode()
            self._last[str(worker)] = (process, page)
        self._write()
        missing = [page for worker, (_, page) in self._last.items() if int(worker) not in responses]
        return merged([page for _, page in responses.values()], [self._ended, *missing])

    def _write(self) -> None:
        complete = self._path.with_suffix(".new")
        with suppress(OSError):  # the next page writes it again
            complete.write_text(json.dumps([self._ended, self._last]))
            complete.replace(self._path)
