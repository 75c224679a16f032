"""The latest result of each provider, for `radius-voice status`."""

from __future__ import annotations

from collections.abc import Mapping

from radius_voice.events import EventRecord, PlacementRecord


class ProviderResults:
    """An observer that keeps the latest delivery of each provider, by its name in the configuration."""

    def __init__(self) -> None:
        self._latest: dict[str, PlacementRecord] = {}

    @property
    def latest(self) -> Mapping[str, PlacementRecord]:
        """The latest delivery of each provider that has had one."""
        return self._latest

    def __call__(self, record: EventRecord) -> None:
        """Keep a delivery."""
        if isinstance(record, PlacementRecord):
            self._latest[record.provider] = record
