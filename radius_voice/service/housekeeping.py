"""What the service does in the background while it runs."""

from __future__ import annotations

import time
from contextlib import suppress

from radius_voice.events import ExpiryRecord
from radius_voice.login.model import Unavailable
from radius_voice.login.ports import Store
from radius_voice.service.reload import Generations
from radius_voice.service.reporting import Reporter
from radius_voice.service.tasks import BackgroundTasks
from radius_voice.service.users_file_watch import UsersWatch

SWEEP_INTERVAL_SECONDS = 2.0
CALL_POLL_INTERVAL_SECONDS = 2.0
USERS_FILE_CHECK_SECONDS = 2.0


class Housekeeping:
    """Removes expired sessions, follows calls and reads changed users files. `open_sessions` is as `count` found it."""

    def __init__(self, store: Store, generations: Generations, reporter: Reporter, users: UsersWatch) -> None:
        self._store = store
        self._generations = generations
        self._reporter = reporter
        self._users = users
        self.open_sessions = 0

    def start(self, tasks: BackgroundTasks) -> None:
        """Repeat everything until the tasks are cancelled."""
        tasks.repeat(SWEEP_INTERVAL_SECONDS, self._tidy)
        tasks.repeat(CALL_POLL_INTERVAL_SECONDS, self._follow)
        tasks.repeat(USERS_FILE_CHECK_SECONDS, self._watch_users)

    async def count(self) -> None:
        """Count the open logins; the count stays as it is while the store is unavailable."""
        with suppress(Unavailable):
            self.open_sessions = await self._store.open_sessions()

    async def _tidy(self) -> None:
        self._reporter.write_due()
        expired = await self._store.sweep()
        if expired:
            self._reporter(ExpiryRecord(time.time(), expired))

    async def _follow(self) -> None:
        for built in list(self._generations):
            await built.flow.follower.poll()

    async def _watch_users(self) -> None:
        clients = self._generations.newest.settings.clients
        response_timeout = {name: client.response_timeout for name, client in clients.items()}
        await self._users.look([built.identity for built in self._generations], response_timeout)
