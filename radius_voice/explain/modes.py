"""Text for the result of a login, and for how the client's `second_factor` completes it."""

from __future__ import annotations

from msgspec import Struct

from radius_voice.config.client_settings import ClientSettings
from radius_voice.events import Outcome, Reason, SecondFactorMode
from radius_voice.explain.meanings import RESPONSES, meaning
from radius_voice.explain.steps import Step

CALLED = {
    SecondFactorMode.CHALLENGE: "Access-Challenge{condition}; Access-Accept after the code",
    SecondFactorMode.TWO_PASS: (
        "Access-Reject that asks for password and code{condition}; Access-Accept after the second login"
    ),
    SecondFactorMode.APPROVE: "Access-Accept after the user has pressed # in a call{condition}",
}
"""The response to a user who is called or gets a text message."""
DELIVERED = (Reason.CALL_PLACED, Reason.TEXT_SENT, Reason.APPROVED)


class Explanation(Struct, frozen=True):
    """The decisions in the order of the login, and the result: the first reject, an accept without a call, or a call.

    `second_factor` is the client's setting. `password_verified` is whether this server verifies a password.
    """

    steps: tuple[Step, ...]
    outcome: Outcome
    reason: Reason
    second_factor: SecondFactorMode
    password_verified: bool


def result_text(explanation: Explanation) -> str:
    """The response to the gateway, in words."""
    conditions = ["the password is right"] if explanation.password_verified else []
    if explanation.reason in DELIVERED:
        conditions.append("no other call to the user is live")
        return CALLED[explanation.second_factor].format(condition=f", if {' and '.join(conditions)}")
    is_condition = conditions and explanation.outcome in (Outcome.ACCEPT, Outcome.CHALLENGE)
    condition = f", if {conditions[0]}" if is_condition else ""
    return f"{RESPONSES[explanation.outcome]}{condition}: {explanation.reason} ({meaning(explanation.reason)})"


def mode_text(client: ClientSettings) -> tuple[str, str] | None:
    """How users of the client log in without a challenge, as a topic and a sentence; None if they get a challenge."""
    match client.second_factor:
        case "two_pass":
            return "two passes", f"no challenge is sent; users log in again with password{client.delimiter}code"
        case "approve":
            return "approval", f"no challenge is sent; the request waits {client.response_timeout:g} s for a key"
        case _:
            return None
