"""How a login goes on by the client's `second_factor`, in words."""

from __future__ import annotations

from radius_voice.config.client_settings import ClientSettings
from radius_voice.events import SecondFactorMode

_IF_CALLED = "if the password is right and no other call to the user is live"
CALLED = {
    SecondFactorMode.CHALLENGE: f"Access-Challenge, {_IF_CALLED}; Access-Accept after the code",
    SecondFactorMode.TWO_PASS: (
        f"Access-Reject that asks for password and code, {_IF_CALLED}; Access-Accept after the second login"
    ),
    SecondFactorMode.APPROVE: f"Access-Accept after the user has pressed # in a call, {_IF_CALLED}",
}
"""The response to a user who is called."""


def mode_text(client: ClientSettings) -> tuple[str, str] | None:
    """What users of the client do in place of a response to a challenge: a topic and a sentence."""
    match client.second_factor:
        case "two_pass":
            return "two passes", f"no challenge is sent; users log in again with password{client.delimiter}code"
        case "approve":
            return "approval", f"no challenge is sent; the request waits {client.response_timeout:g} s for a key"
        case _:
            return None
