"""Reload: a new configuration applies from the next packet on. Logins that began before end with the old one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from radius_voice.bounded import in_daemon_thread
from radius_voice.config.changes import Changes, changes
from radius_voice.config.errors import ConfigError
from radius_voice.config.load import NEED_RESTART, Loaded, restart_needed, until_restart
from radius_voice.config.start_warnings import start_warnings
from radius_voice.exceptions import message_of
from radius_voice.login.deliveries.callbacks import CallbackRequest, CallbackResponse
from radius_voice.login.model import Unavailable
from radius_voice.observe.metrics import Metrics, ProviderEvents
from radius_voice.server.server import Server
from radius_voice.service.reload_result import ReloadProgress, ReloadResult
from radius_voice.service.reporting import Reporter
from radius_voice.service.tasks import BackgroundTasks
from radius_voice.service.user_warnings import user_warnings
from radius_voice.state.open_store import established_data_key
from radius_voice.wiring.adapters import load
from radius_voice.wiring.generation import BuiltGeneration, Shared, build, max_queued_verifications, server_rules

RETIRE_INTERVAL_SECONDS = 2.0


class Generations:
    """The generations in use, oldest first: the newest, and earlier ones whose logins have not ended.

    `number` is the number of the newest: 1 at the start of the service, n + 1 after reload n. `draining` is True once
    the service stops; from then on no generation is added.
    """

    def __init__(self, first: BuiltGeneration, number: int = 1) -> None:
        self._in_use = [first]
        self.number = number
        self.draining = False

    def __iter__(self) -> Iterator[BuiltGeneration]:
        return iter(self._in_use)

    @property
    def newest(self) -> BuiltGeneration:
        """The generation that new packets are processed with."""
        return self._in_use[-1]

    def add(self, built: BuiltGeneration, number: int) -> None:
        """Make a generation the newest."""
        self._in_use.append(built)
        self.number = number

    def remove(self, built: BuiltGeneration) -> None:
        """Remove a generation whose last login has ended."""
        self._in_use.remove(built)

    async def on_callback(self, provider: str, request: CallbackRequest) -> CallbackResponse:
        """Pass a callback to the newest generation, or to the newest one that has its provider."""
        having = (built for built in reversed(self._in_use) if provider in built.providers)
        return await next(having, self.newest).flow.on_callback(provider, request)

    def interrupt(self) -> None:
        """Reject the requests that wait until their users approve them."""
        for built in self._in_use:
            built.flow.interrupt()

    async def drain(self) -> None:
        """Wait until no login of any generation is being processed. Calls that wait for a queue are placed at once."""
        for built in self._in_use:
            built.flow.place_waiting_calls()
        for built in list(self._in_use):  # one that was replaced may be removed meanwhile
            await built.flow.drain()

    async def close(self) -> None:
        """Close what the generations have opened."""
        for built in list(self._in_use):
            await built.close()


class Reloader:
    """Replaces the newest generation. `loaded` is the configuration that the service starts with.

    Only one process of the service checks users after each reload; `check_users` is true there. `begin` returns the
    number of a new reload, from 1.
    """

    def __init__(
        self,
        path: Path,
        loaded: Loaded,
        shared: Shared,
        generations: Generations,
        server: Server,
        metrics: Metrics,
        reporter: Reporter,
        tasks: BackgroundTasks,
        progress: ReloadProgress,
        begin: Callable[[], int],
        *,
        check_users: bool,
    ) -> None:
        self.progress = progress
        self._path = path
        self._begin = begin
        self._started_with = self._wanted = loaded.settings
        self._shared = shared
        self._generations = generations
        self._server = server
        self._metrics = metrics
        self._reporter = reporter
        self._tasks = tasks
        self._check_users = check_users
        self._one_at_a_time = asyncio.Lock()

    async def reload(self) -> ReloadResult | None:
        """Read the configuration and use it from the next packet on. An invalid one is reported and changes nothing.

        Returns None if the service stops, because the configuration is not used then.
        """
        async with self._one_at_a_time:
            number, result = self._begin(), None
            try:
                result = await self._reload(number + 1)
            finally:
                await self.progress.end(number, result)
            return result

    def announce(self, loaded: Loaded, built: BuiltGeneration) -> None:
        """Report the warnings about the configuration that is now in effect, and start to check its users."""
        for warning in (*loaded.warnings, *start_warnings(loaded.settings)):
            self._reporter.report("warning", warning)
        if self._check_users:
            self._tasks.run(self._warn_of_users(loaded, built))

    async def _reload(self, generation: int) -> ReloadResult | None:
        old = self._generations.newest
        try:
            # In threads: many users take seconds to read, and logins continue. The threads may outlive the service.
            loaded = await in_daemon_thread(partial(load, self._path))
            await in_daemon_thread(partial(self._encrypt_data_key, loaded))
            usable = loaded.settings.model_copy(update={"callbacks": self._started_with.callbacks})
            built = await in_daemon_thread(partial(build, usable, self._shared, old))
        except (ConfigError, ValueError, OSError, Unavailable) as problem:
            self._reporter.report("reload_failed", message_of(problem))
            return ReloadResult(time.time(), self._generations.number, tuple(message_of(problem).splitlines()))
        if self._generations.draining:
            await built.close()
            return None
        changed = changes(self._wanted, loaded.settings, NEED_RESTART)
        self._wanted = loaded.settings
        self._use(loaded, built, generation)
        result = self._result(loaded, changed)
        needed = ", ".join(result.needs_restart)
        self._reporter.report("reloaded", f"needs a restart: {needed}" if needed else "")
        self._tasks.run(self._retire(old))
        return result

    def _result(self, loaded: Loaded, changed: Changes) -> ReloadResult:
        return ReloadResult(
            time.time(),
            self._generations.number,
            changes=changed,
            needs_restart=tuple(restart_needed(self._started_with, loaded.settings)),
            warnings=(*loaded.warnings, *start_warnings(loaded.settings)),
        )

    def _encrypt_data_key(self, loaded: Loaded) -> None:
        """Encrypt the data key with the `server.key` of the new configuration. It stays the same key."""
        usable = until_restart(self._started_with, loaded.settings)
        if established_data_key(usable) != self._shared.key:
            raise ValueError("the store has another data key than this service; restart it")

    def _use(self, loaded: Loaded, built: BuiltGeneration, generation: int) -> None:
        create_series(self._metrics, built)
        self._generations.add(built, generation)
        self._server.use(built.generation, server_rules(loaded.settings))
        self._shared.hasher.set_max_queued(max_queued_verifications(loaded.settings))
        self.announce(loaded, built)

    async def _warn_of_users(self, loaded: Loaded, built: BuiltGeneration) -> None:
        """Report problems of users. Runs in a thread, because many users take seconds."""
        find = partial(user_warnings, loaded.settings, built.identity)
        for warning in await in_daemon_thread(lambda: loaded.located(find())):
            self._reporter.report("warning", warning)

    async def _retire(self, old: BuiltGeneration) -> None:
        """Close a generation after its last login has ended and its calls are over."""
        await self._server.release(old.generation)
        await old.flow.drain()
        while len(old.flow.follower):
            await asyncio.sleep(RETIRE_INTERVAL_SECONDS)
            await old.flow.drain()
        self._generations.remove(old)
        await old.close({source for built in self._generations for source in built.identity.values()})


def create_series(metrics: Metrics, built: BuiltGeneration) -> None:
    """Create the metrics of a generation's clients, providers and upstreams, with the value 0."""
    settings = built.settings
    rotating = [name for name, client in settings.clients.items() if len(client.secret) > 1]
    upstreams = [name for name, section in settings.identity.items() if section.UPSTREAM]
    providers = {
        name: ProviderEvents(
            section.methods,
            call_statuses=built.providers[name].call_control is not None,
            callbacks=section.MAKES_CALLBACKS and settings.callbacks is not None,
        )
        for name, section in settings.delivery.providers.items()
    }
    metrics.expect(settings.clients, providers, rotating, upstreams)
