"""The repeated work of the running service."""

from __future__ import annotations

import time
from contextlib import suppress

from radius_voice.events import ExpiryRecord
from radius_voice.login.model import Unavailable
from radius_voice.login.ports import Store
from radius_voice.service.identity_watch import IdentityWatch
from radius_voice.service.inactive_users import InactiveUsers
from radius_voice.service.reload import Generations
from radius_voice.service.reporting import Reporter
from radius_voice.service.tasks import BackgroundTasks

SWEEP_INTERVAL_SECONDS = 2.0
CALL_POLL_INTERVAL_SECONDS = 2.0
IDENTITY_CHECK_INTERVAL_SECONDS = 2.0


class Housekeeping:
    """Removes expired sessions, polls calls and refreshes identity sources. `open_sessions` is the latest count.

    Only one process of the service has `inactive`; in the others it is None.
    """

    def __init__(
        self,
        store: Store,
        generations: Generations,
        reporter: Reporter,
        watch: IdentityWatch,
        inactive: InactiveUsers | None,
    ) -> None:
        self._store = store
        self._generations = generations
        self._reporter = reporter
        self._identity_watch = watch
        self._inactive_users = inactive
        self.open_sessions = 0

    def start(self, tasks: BackgroundTasks) -> None:
        """Repeat everything until the tasks are cancelled."""
        tasks.repeat(SWEEP_INTERVAL_SECONDS, self._sweep)
        tasks.repeat(CALL_POLL_INTERVAL_SECONDS, self._poll_calls)
        tasks.repeat(IDENTITY_CHECK_INTERVAL_SECONDS, self._check_identity_sources)

    async def count(self) -> None:
        """Count the open sessions. While the store is unavailable, the previous count is kept."""
        with suppress(Unavailable):
            self.open_sessions = await self._store.open_sessions()

    async def _sweep(self) -> None:
        self._reporter.write_due()
        expired = await self._store.sweep()
        if expired:
            self._reporter(ExpiryRecord(time.time(), expired))

    async def _poll_calls(self) -> None:
        for built in list(self._generations):
            await built.flow.follower.poll()

    async def _check_identity_sources(self) -> None:
        clients = self._generations.newest.settings.clients
        response_timeout = {name: client.response_timeout for name, client in clients.items()}
        await self._identity_watch.check([built.identity for built in self._generations], response_timeout)
        newest = self._generations.newest
        if self._inactive_users is not None:
            with suppress(Unavailable):  # the next check repeats it
                await self._inactive_users.check(newest.settings, newest.identity)
