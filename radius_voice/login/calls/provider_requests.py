"""Sends delivery requests to providers, or postpones them because of a circuit breaker or a long queue."""

from __future__ import annotations

from radius_voice.events import Alarm, Mode, ServiceRecord
from radius_voice.login.calls.pacing import FAILOVER_SECONDS, MAX_WAIT_SECONDS, Pacer
from radius_voice.login.calls.placement import Stage
from radius_voice.login.calls.queued_calls import QueuedCall
from radius_voice.login.deliveries.circuit_breaker import MAX_OUTAGES, SKIP_SECONDS, Change
from radius_voice.login.deliveries.requests import DeliveryRequest, DeliveryResult, NotPlaced, Placed
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.model import Unavailable
from radius_voice.login.ports import Provider

RESTORED = "provider_restored"
"""The event of the service when a provider is no longer skipped."""
QUEUE_FULL = NotPlaced("not sent: too many calls wait for this provider", sent=False)
LOGIN_ENDED = NotPlaced("not sent: the login has ended", sent=False)


class ProviderRequests:
    """Requests for one generation of the configuration. `ask` is the argument of `placement.deliver`."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._pacers = {
            name: Pacer(name, per_second, dependencies.store, dependencies.now)
            for name, per_second in dependencies.calls_per_second.items()
        }

    async def ask(
        self, call: QueuedCall, stage: Stage, name: str, provider: Provider, request: DeliveryRequest, deadline: float
    ) -> DeliveryResult | None:
        """Wait for the provider's next slot and return its answer; None to postpone the request to a later stage."""
        breaker = self._dependencies.breakers.get(name)
        if breaker is not None and stage is not Stage.SKIPPED and breaker.skips():
            return None
        longest = FAILOVER_SECONDS if stage is Stage.AVAILABLE else MAX_WAIT_SECONDS
        wait = await self._reserve(name, min(longest, call.max_wait))
        if wait is None:
            return None if stage is Stage.AVAILABLE else QUEUE_FULL
        if not await call.wait(wait, request):
            return LOGIN_ENDED
        answer = await provider.place(request, deadline + call.announced_seconds)
        if breaker is not None:
            self._report(name, breaker.record(answer), answer)
        return answer

    async def _reserve(self, name: str, max_wait: float) -> float | None:
        """The seconds until the provider's next slot; None if they are too many. 0 if the store is unavailable."""
        pacer = self._pacers.get(name)
        if pacer is None:
            return 0.0
        try:
            return await pacer.reserve(max_wait)
        except Unavailable as problem:
            self._dependencies.warn(f"calls_per_second of provider {name} was not observed: {problem}")
            return 0.0

    def _report(self, name: str, change: Change | None, answer: DeliveryResult) -> None:
        """Report that a circuit breaker has opened or closed."""
        dependencies = self._dependencies
        if change is Change.OPENED:
            detail = "" if isinstance(answer, Placed) else answer.detail
            text = (
                f"provider {name} failed {MAX_OUTAGES} times in a row, the last time with: {detail}; it is tried every "
                f"{SKIP_SECONDS:g} s, and otherwise only if no other provider delivers; "
                "run radius-voice test-credentials"
            )
            dependencies.alarm(Alarm.PROVIDER_OUTAGE, text, mode=Mode.ENFORCE)
        elif change is Change.CLOSED:
            dependencies.observer(ServiceRecord(dependencies.now(), RESTORED, f"provider {name} works again"))
