"""The state of the children of a service, which they report to their parent in shared memory."""

from __future__ import annotations

import mmap
from collections.abc import Callable

from radius_voice.service.notify import ServiceManager

BEATS = 4
"""How many heartbeats a child sends in the interval in which the parent expects one."""
POLL_SECONDS = 0.05
IDLE_SECONDS = 3600.0
BYTES = 8
MICROSECONDS = 1_000_000
READY, SEEN, RELOADED, SIZE = range(4)
"""The fields of a child: 1 if it is ready; its latest heartbeat, in monotonic microseconds; its latest reload."""


class Heartbeats:
    """For each child, numbered from `first`: whether it is ready, its latest heartbeat and its latest reload.

    The parent numbers the reloads. Each child writes only its own fields; before a child starts, the parent writes
    them. `now` is monotonic seconds.
    """

    def __init__(self, first: int, count: int, now: Callable[[], float]) -> None:
        self._first = first
        self._count = count
        self._now = now
        self._memory = mmap.mmap(-1, BYTES * (1 + SIZE * count))

    def started(self, number: int) -> None:
        """Reset the fields of child `number`, which is about to be forked with the newest configuration."""
        self._write(number, READY, 0)
        self._write(number, SEEN, self._microseconds())
        self._write(number, RELOADED, self.requested)

    def ready(self, number: int) -> None:
        """Record that the child has started."""
        self._write(number, READY, 1)

    def beat(self, number: int) -> None:
        """Record a heartbeat of the child."""
        self._write(number, SEEN, self._microseconds())

    def reloaded(self, number: int, reload: int) -> None:
        """Record that the child has completed the reload number `reload`."""
        self._write(number, RELOADED, reload)

    @property
    def requested(self) -> int:
        """The number of the latest reload that the parent has requested."""
        return self._read_at(0)

    def request_reload(self) -> None:
        """Count a reload that the parent is about to request."""
        self._write_at(0, self.requested + 1)

    def all_ready(self) -> bool:
        """Whether every child has started."""
        return all(self._fields(READY))

    def all_reloaded(self) -> bool:
        """Whether every child has completed the latest reload."""
        return min(self._fields(RELOADED)) >= self.requested

    def longest_wait(self) -> float:
        """The seconds since the latest heartbeat of the child whose heartbeat is oldest."""
        return (self._microseconds() - min(self._fields(SEEN))) / MICROSECONDS

    def _microseconds(self) -> int:
        return int(self._now() * MICROSECONDS)

    def _fields(self, field: int) -> list[int]:
        return [self._read_at(1 + SIZE * child + field) for child in range(self._count)]

    def _write(self, number: int, field: int, value: int) -> None:
        self._write_at(1 + SIZE * (number - self._first) + field, value)

    def _read_at(self, index: int) -> int:
        return int.from_bytes(self._memory[BYTES * index : BYTES * (index + 1)])

    def _write_at(self, index: int, value: int) -> None:
        self._memory[BYTES * index : BYTES * (index + 1)] = value.to_bytes(BYTES)


class ParentProcess:
    """The `Supervisor` of child `number`: reports its state to the parent process.

    The parent expects a heartbeat within `interval` seconds; 0 means that it expects none.
    """

    def __init__(self, heartbeats: Heartbeats, number: int, interval: float) -> None:
        self.alive_interval = interval / BEATS
        self._heartbeats = heartbeats
        self._number = number
        self._reload = heartbeats.requested

    def ready(self) -> None:
        """The child has started, or has completed its latest reload."""
        self._heartbeats.ready(self._number)
        self._heartbeats.reloaded(self._number, self._reload)

    def reloading(self) -> None:
        """The child begins the latest reload that was requested."""
        self._reload = self._heartbeats.requested

    def stopping(self) -> None:
        """Do nothing: the parent has requested the stop."""

    def alive(self) -> None:
        """The child responds."""
        self._heartbeats.beat(self._number)


class ChildReports:
    """Reports the state of all children to the service manager, if there is one. `now` is monotonic seconds."""

    def __init__(self, heartbeats: Heartbeats, manager: ServiceManager, now: Callable[[], float]) -> None:
        self._heartbeats = heartbeats
        self._manager = manager
        self._now = now
        self._announced = False
        self._next_alive = 0.0

    def reload(self) -> None:
        """Report that the children begin to reload. Call this before they are signalled."""
        self._heartbeats.request_reload()
        self._manager.reloading()
        self._announced = False

    def stopping(self) -> None:
        """Report that the children stop. Call this before they are signalled."""
        self._manager.stopping()
        self._announced = True

    def send_due(self) -> float:
        """Send the messages that are due. Returns the seconds after which this must be called again.

        The service counts as alive if every child has sent a heartbeat within half of the manager's watchdog period.
        """
        if not self._manager.listens:
            return IDLE_SECONDS
        if not self._announced and self._heartbeats.all_ready() and self._heartbeats.all_reloaded():
            self._manager.ready()
            self._announced = True
        interval = self._manager.alive_interval
        now = self._now()
        if interval and now >= self._next_alive and self._heartbeats.longest_wait() < interval:
            self._manager.alive()
            self._next_alive = now + interval
        until_alive = max(POLL_SECONDS, self._next_alive - now) if interval else IDLE_SECONDS
        return until_alive if self._announced else POLL_SECONDS
