"""Requests of the watcher to the workers: one JSON object on a line, as on the control socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from radius_voice.control import MAX_RESPONSE_BYTES
from radius_voice.service.workers import WorkerPool

MAX_LINE_BYTES = 1 << 18
"""The maximum length of a line of a stream. While the client does not read, at most twice as many octets are held."""


async def ask_worker(pool: WorkerPool, worker: int, command: str, **arguments: Any) -> Mapping[str, Any]:
    """The response of a worker. Raises OSError, or ValueError for an invalid response or one with an error."""
    reader, writer = await asyncio.open_unix_connection(pool.request_socket(worker), limit=MAX_RESPONSE_BYTES)
    try:
        writer.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
        response = json.loads(await reader.readline())
    finally:
        writer.close()
    if not isinstance(response, dict) or "error" in response:
        raise ValueError("the worker has sent no result")
    return response


async def worker_lines(
    pool: WorkerPool, worker: int, command: str, **arguments: Any
) -> AsyncIterator[Mapping[str, Any]]:
    """The lines of a stream of a worker, until it ends, or none if the worker does not respond."""
    try:
        reader, writer = await asyncio.open_unix_connection(pool.request_socket(worker), limit=MAX_LINE_BYTES)
    except OSError:
        return
    try:
        writer.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
        while (line := await _line(reader)) is not None:
            yield line
    finally:
        writer.close()


async def _line(reader: asyncio.StreamReader) -> Mapping[str, Any] | None:
    """The next object, or None if the worker ended before it was complete."""
    try:
        line = json.loads(await reader.readline())
    except (OSError, ValueError):
        return None
    return line if isinstance(line, dict) else None


async def ask_workers(
    pool: WorkerPool, command: str, seconds: float, **arguments: Any
) -> Mapping[int, Mapping[str, Any]]:
    """The responses, by worker, of those that respond within `seconds`."""

    async def response_of(worker: int) -> Mapping[str, Any]:
        async with asyncio.timeout(seconds):
            return await ask_worker(pool, worker, command, **arguments)

    numbers = range(len(pool.sockets))
    responses = await asyncio.gather(*map(response_of, numbers), return_exceptions=True)
    return {number: found for number, found in enumerate(responses) if isinstance(found, dict)}
