"""Refreshes the identity sources of the running service, and reports changed and unusable sources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from radius_voice.bounded import in_daemon_thread
from radius_voice.login.deliveries.adapter_reports import SourceProblem
from radius_voice.login.ports import IdentitySource
from radius_voice.service.verification_time import slow_verifications

STILL = "the users loaded before stay in effect"


class IdentityWatch:
    """Checks identity sources for changes. `report` gets the event and the detail of a `ServiceRecord`.

    Only one process of the service times password verifications; `time_verifications` is false in the others.
    """

    def __init__(self, report: Callable[[str, str], None], time_verifications: bool) -> None:
        self._report = report
        self._time_verifications = time_verifications
        self._reported: dict[str, SourceProblem | None] = {}
        self._changes: dict[IdentitySource, int] = {}
        self._timed: dict[str, tuple[str, float]] = {}

    async def check(
        self, generations: Sequence[Mapping[str, IdentitySource]], response_timeout: Mapping[str, float]
    ) -> None:
        """Read the changed sources, and report changes and new problems.

        `generations` are the identity sources by their names in the configuration, oldest generation first; only the
        newest is reported. `response_timeout` is in seconds by client.
        """
        sources = {source for identity in generations for source in identity.values()}
        await asyncio.gather(*(in_daemon_thread(partial(_refresh, source)) for source in sources))
        newest = generations[-1]
        before, self._reported = self._reported, {name: users.problem for name, users in newest.items()}
        changes, self._changes = self._changes, {users: users.changes for users in newest.values()}
        for name, users in newest.items():
            changed = users.changes != changes.get(users, 0)
            self._report_change(name, users, before.get(name), users.problem, changed)
        if self._time_verifications:
            await self._warn_of_slow_verifications(newest, response_timeout)

    def _report_change(
        self,
        name: str,
        users: IdentitySource,
        before: SourceProblem | None,
        now: SourceProblem | None,
        changed: bool,
    ) -> None:
        if now != before and now is not None:
            self._report("users_file_invalid", f"identity.{name}: {now.detail}\n{STILL}")
        elif now != before:
            self._report("users_file_valid", f"identity.{name}: {users.location} is in effect")
        elif changed:
            self._report("users_file_read", f"identity.{name}: {users.location} has changed and is in effect")

    async def _warn_of_slow_verifications(
        self, identity: Mapping[str, IdentitySource], response_timeout: Mapping[str, float]
    ) -> None:
        shortest = min(response_timeout.values())
        costliest = {name: users.costliest_verification() for name, users in identity.items()}
        timed = {name: (each.parameters, shortest) for name, each in costliest.items() if each is not None}
        new = {name: identity[name] for name in timed if timed[name] != self._timed.get(name)}
        self._timed = timed
        if not new:
            return
        for warning in await in_daemon_thread(lambda: list(slow_verifications(new, response_timeout))):
            self._report("warning", warning)


def warnings_of(identity: Mapping[str, IdentitySource]) -> tuple[str, ...]:
    """The identity sources with a problem, one sentence each, without user names."""
    return tuple(
        f"identity.{name}: {users.location}: {users.problem.summary}; {STILL}"
        for name, users in identity.items()
        if users.problem is not None
    )


def _refresh(users: IdentitySource) -> None:
    with suppress(OSError, ValueError):
        users.refresh()
