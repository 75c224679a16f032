"""Stores the traffic statistics of clients across restarts: one file per process in STATE_DIRECTORY/clients."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from radius_voice.files.reading import read_file
from radius_voice.server.traffic import Traffic, TrafficReport

FOLDER = "clients"
VERSION = 1
WRITE_SECONDS = 10.0
MAX_FILE_OCTETS = 64 << 20


class TrafficFileInvalid(ValueError):
    """A file is not one of this version. The text names it."""


class _Content(msgspec.Struct, frozen=True):
    version: int
    clients: list[Traffic]


class TrafficFile:
    """The file of process `number`. `report` starts with the statistics in the file.

    A file that cannot be read is reported to `warn`, and replaced.
    """

    def __init__(self, state: Path, number: int, warn: Callable[[str], None]) -> None:
        self._path = state / FOLDER / f"{number}.json"
        try:
            kept = read(self._path)
        except FileNotFoundError:
            kept = []
        except (TrafficFileInvalid, OSError) as problem:
            warn(f"{self._path}: cannot be used, so the statistics of radius-voice clients start again: {problem}")
            kept = []
        self.report = TrafficReport(kept)

    async def write(self, clients: Collection[str]) -> None:
        """Write the file if something has changed. `clients` are all configured clients. Raises OSError."""
        if not self.report.changed:
            return
        self.report.changed = False
        octets = msgspec.json.encode(_Content(VERSION, self.report.all(clients)))
        try:
            await asyncio.to_thread(_replace, self._path, octets)
        except OSError:
            self.report.changed = True
            raise


def read_all(state: Path) -> list[Traffic]:
    """The statistics of all processes of the service. Raises OSError or TrafficFileInvalid."""
    return [traffic for path in sorted((state / FOLDER).glob("*.json")) for traffic in read(path)]


def read(path: Path) -> list[Traffic]:
    """The statistics in one file. Raises OSError or TrafficFileInvalid."""
    try:
        content = msgspec.json.decode(read_file(path, MAX_FILE_OCTETS)[0], type=_Content)
    except msgspec.DecodeError as problem:
        raise TrafficFileInvalid(f"{path} is damaged: {problem}") from None
    if content.version != VERSION:
        raise TrafficFileInvalid(f"{path} has version {content.version}, and this program reads version {VERSION}")
    return content.clients


def _replace(path: Path, octets: bytes) -> None:
    """Write a file for this user only. A crash leaves the previous one."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
    temporary.replace(path)
