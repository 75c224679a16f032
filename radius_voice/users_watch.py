"""What the service does about its users files while it runs: it reads changes and reports files that are unusable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from radius_voice.bounded import in_daemon_thread
from radius_voice.identity.passwords import Parameters
from radius_voice.identity.users_file import Problem, UsersFile, UsersFileError
from radius_voice.verification_time import slow_verifications

STILL = "the users read before stay in force"


class UsersWatch:
    """Looks at the users files of the service. `report` gets what is to be recorded: its kind and a text.

    Where `time_verifications` is false, another process of the service times them.
    """

    def __init__(self, report: Callable[[str, str], None], time_verifications: bool) -> None:
        self._report = report
        self._time_verifications = time_verifications
        self._reported: dict[str, Problem | None] = {}
        self._timed: dict[str, tuple[Parameters, float]] = {}

    async def look(self, generations: Sequence[Mapping[str, UsersFile]], answer_within: Mapping[str, float]) -> None:
        """Read what has changed, and report what is new.

        `generations` are the users files by their names in the configuration, oldest generation first; only the
        newest is reported. `answer_within` is in seconds by client.
        """
        every = {users for identity in generations for users in identity.values()}
        await asyncio.gather(*(in_daemon_thread(partial(_refresh, users)) for users in every))
        newest = generations[-1]
        before, self._reported = self._reported, {name: users.problem for name, users in newest.items()}
        for name, users in newest.items():
            self._report_change(name, users, before.get(name), users.problem)
        if self._time_verifications:
            await self._warn_of_slow_verifications(newest, answer_within)

    def _report_change(self, name: str, users: UsersFile, before: Problem | None, now: Problem | None) -> None:
        if now == before:
            return
        if now is not None:
            self._report("users_file_invalid", f"identity.{name}: {now.detail}\n{STILL}")
        else:
            self._report("users_file_valid", f"identity.{name}: {users.path} is in force")

    async def _warn_of_slow_verifications(
        self, identity: Mapping[str, UsersFile], answer_within: Mapping[str, float]
    ) -> None:
        shortest = min(answer_within.values())
        timed = {name: (users.costliest()[0], shortest) for name, users in identity.items()}
        new = {name: users for name, users in identity.items() if timed[name] != self._timed.get(name)}
        self._timed = timed
        if not new:
            return
        for warning in await in_daemon_thread(lambda: list(slow_verifications(new, answer_within))):
            self._report("warning", warning)


def warnings_of(identity: Mapping[str, UsersFile]) -> tuple[str, ...]:
    """The users files that cannot be used as they are now, one sentence each, without user names."""
    return tuple(
        f"identity.{name}: {users.path}: {users.problem.summary}; {STILL}"
        for name, users in identity.items()
        if users.problem is not None
    )


def _refresh(users: UsersFile) -> None:
    with suppress(OSError, UsersFileError):
        users.refresh()
