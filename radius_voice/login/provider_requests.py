"""Requests to providers, which circuit breakers may postpone."""

from __future__ import annotations

from radius_voice.events import Alarm, Mode, ServiceRecord
from radius_voice.login.circuit_breaker import MAX_OUTAGES, SKIP_SECONDS, Change
from radius_voice.login.deliveries import DeliveryRequest, DeliveryResult, Placed
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.placement import Stage
from radius_voice.login.ports import Provider

RESTORED = "provider_restored"
"""The event of the service when a provider is no longer skipped."""


class ProviderRequests:
    """The requests of one generation of the configuration; `ask` is for `placement.deliver`."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def ask(
        self, stage: Stage, name: str, provider: Provider, request: DeliveryRequest, deadline: float
    ) -> DeliveryResult | None:
        """The provider's answer, or None if the circuit breaker postpones the request to a later stage."""
        breaker = self._dependencies.breakers.get(name)
        if breaker is None:
            return await provider.place(request, deadline)
        if stage is not Stage.SKIPPED and breaker.skips():
            return None
        answer = await provider.place(request, deadline)
        self._report(name, breaker.record(answer), answer)
        return answer

    def _report(self, name: str, change: Change | None, answer: DeliveryResult) -> None:
        """Report that a circuit breaker has opened or closed."""
        dependencies = self._dependencies
        if change is Change.OPENED:
            detail = "" if isinstance(answer, Placed) else answer.detail
            text = (
                f"provider {name} failed {MAX_OUTAGES} times in a row, at last with: {detail}; it is tried again every "
                f"{SKIP_SECONDS:g} s, and meanwhile only where no other provider delivers; "
                "run radius-voice test-credentials"
            )
            dependencies.alarm(Alarm.PROVIDER_OUTAGE, text, mode=Mode.ENFORCE)
        elif change is Change.CLOSED:
            dependencies.observer(ServiceRecord(dependencies.now(), RESTORED, f"provider {name} works again"))
