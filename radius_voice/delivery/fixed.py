"""A provider that places no calls, for measuring the server. Development only."""

from __future__ import annotations

from radius_voice.login.model import NotPlaced, Order, Placed, RefusedNumber, Unknown


class Fixed:
    """Accepts every order immediately and places no call. The code of every login is `code`."""

    def __init__(self, *, name: str, code: str) -> None:
        self.name = name
        self.code = code

    def __repr__(self) -> str:
        return f"Fixed({self.name!r})"

    async def place(self, order: Order, deadline: float) -> Placed | RefusedNumber | NotPlaced | Unknown:  # noqa: ARG002
        """Always `Placed`."""
        return Placed("fixed", live=False)
