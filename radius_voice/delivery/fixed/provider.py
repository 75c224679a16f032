"""A provider that places no calls, for benchmarks of the server. For development only."""

from __future__ import annotations

from collections.abc import Collection

from radius_voice.delivery.fixed.settings import FixedSettings
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.requests import DeliveryRequest, DeliveryResult, Placed


def create(name: str, settings: FixedSettings) -> Fixed:  # noqa: ARG001 - the code is the settings' `fixed_code`
    """The provider `name`."""
    return Fixed(name)


class Fixed:
    """Accepts every request immediately and places no call."""

    call_control = None
    message_control = None
    verifier = None

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Fixed({self.name!r})"

    async def place(
        self,
        request: DeliveryRequest,  # noqa: ARG002
        deadline: float,  # noqa: ARG002
    ) -> DeliveryResult:
        """Always `Placed`."""
        return Placed("fixed", live=False)

    async def check_account(self, countries: Collection[str] = ()) -> list[AccountCheck]:  # noqa: ARG002
        """Empty: there is no account."""
        return []

    async def close(self) -> None:
        """Nothing is open."""
