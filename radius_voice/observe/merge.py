"""One page of metrics out of those of several processes of one service."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

SHARED = frozenset(
    {
        "radius_voice_open_challenges",
        "radius_voice_bypass_active",
        "radius_voice_development",
        "radius_voice_build_info",
        "radius_voice_worker_deaths",
    }
)
"""What every process sees alike, so that adding it up would count it twice."""


class _Merged(Collector):
    def __init__(self, pages: Iterable[str]) -> None:
        self._families: dict[str, Metric] = {}
        self._values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for page in pages:
            for family in text_string_to_metric_families(page):
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
            one = Metric(family.name, family.documentation, family.type)
            one.samples = [Sample(name, dict(labels), value) for (name, labels), value in values.items()]
            yield one


def merged(pages: Iterable[str]) -> bytes:
    """The sum of the pages, in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Merged(pages))
    return generate_latest(registry)
