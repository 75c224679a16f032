"""The responses of one process to commands of administrators and to requests of the watcher."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from radius_voice import control, operations
from radius_voice.control import Request, Stream, unknown_command
from radius_voice.events import EventRecord
from radius_voice.operations.context import OperationContext
from radius_voice.service import debugging
from radius_voice.service.debugging import DebugFilter, Debugger
from radius_voice.service.reload import Generations
from radius_voice.service.reload_result import ReloadProgress, merged_result, response_of
from radius_voice.service.reporting import Reporter
from radius_voice.service.status import ProcessStatus
from radius_voice.service.status_merge import merged_status
from radius_voice.service.tasks import BackgroundTasks
from radius_voice.wiring.generation import Shared

Response = Mapping[str, Any] | Stream


@dataclass(frozen=True, slots=True)
class ProcessCommands:
    """Responds to commands. `reload` begins a reload, and `reloads_begun` is how many have begun."""

    shared: Shared
    generations: Generations
    reporter: Reporter
    tasks: BackgroundTasks
    status: ProcessStatus
    debugger: Debugger
    progress: ReloadProgress
    reload: Callable[[], Awaitable[None]]
    reloads_begun: Callable[[], int]

    async def answer(self, request: Request, facts: Mapping[str, Any]) -> Response:
        """The response to an administrator, of a service with one process. `facts`: see `service_facts`."""
        match request.command:
            case operations.STATUS:
                return merged_status(facts, {0: await self.status.read()}, 1, time.time())
            case control.RELOAD:
                return await self._reload_and_report(facts)
            case debugging.DEBUG:
                return self._debug(request)
            case _:
                return await self._operate(request)

    async def answer_watcher(self, request: Request) -> Response:
        """The response of a worker to the watcher."""
        match request.command:
            case operations.STATUS:
                return await self.status.read()
            case control.RELOAD_RESULT:
                return response_of(await self.progress.wait_for(int(request.arguments["number"])))
            case debugging.DEBUG:
                return self.debugger.session(DebugFilter.of(request, self._clients), lambda: None)
            case _:
                return {"error": unknown_command(request.command)}

    @property
    def _clients(self) -> Mapping[str, object]:
        return self.generations.newest.settings.clients

    def _debug(self, request: Request) -> Response:
        try:
            wanted = DebugFilter.of(request, self._clients)
        except ValueError as problem:
            return {"error": str(problem)}
        return self.debugger.session(
            wanted, partial(self.reporter.report, debugging.DEBUG, wanted.record_text(request.uid))
        )

    async def _reload_and_report(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Reload and return the result. The reload continues if the requesting client disconnects."""
        number = self.reloads_begun() + 1
        self.tasks.run(self.reload())
        return merged_result(facts, {0: response_of(await self.progress.wait_for(number))}, 1)

    async def _operate(self, request: Request) -> Mapping[str, Any]:
        built, shared = self.generations.newest, self.shared
        context = OperationContext(
            settings=built.settings,
            store=shared.store,
            keys=lambda: shared.keys,
            identity=built.identity,
            record=self._record_operation,
            uid=request.uid,
        )
        return await operations.respond(request, context)

    def _record_operation(self, operated: EventRecord) -> str:
        self.reporter(operated)
        return ""
