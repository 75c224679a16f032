"""A delivery that calls nobody, for measuring the server alone. Development only."""

from __future__ import annotations

from radius_voice.login.model import NotPlaced, Order, Placed, RefusedNumber, Unknown


class Fixed:
    """Takes every order at once and rings no phone: everybody's code is `code`."""

    def __init__(self, *, name: str, code: str) -> None:
        self.name = name
        self.code = code

    def __repr__(self) -> str:
        return f"Fixed({self.name!r})"

    async def place(self, order: Order, deadline: float) -> Placed | RefusedNumber | NotPlaced | Unknown:  # noqa: ARG002
        """Placed, whatever was ordered."""
        return Placed("fixed", live=False)
