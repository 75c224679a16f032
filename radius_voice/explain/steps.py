"""One decision of a login, and the decisions that depend on the store: remembered logins and issued codes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

from radius_voice.config.field_types import duration_text
from radius_voice.events import Reason
from radius_voice.explain.login_facts import LoginFacts


class Step(Struct, frozen=True):
    """One decision of a login: its topic, the decision, and the places in the configuration that it depends on.

    `reason` is set if it rejects the login.
    """

    topic: str
    text: str
    places: tuple[str, ...] = ()
    reason: Reason | None = None


def not_known(facts: LoginFacts, problem: str) -> str:
    """Why a stored value is not known. The reason is omitted if it is that of the limits, which are shown before."""
    return "not known, like the limits" if problem == facts.limits_unknown else f"not known: {problem}"


def remembered(facts: LoginFacts) -> Iterator[Step]:
    """Whether the login repeats a remembered one."""
    remember = facts.rules.remember
    if facts.user is not None and remember is not None:
        yield Step("remembered", _remembered_text(facts, remember.seconds), (facts.places.of(*remember.rule),))


def _remembered_text(facts: LoginFacts, seconds: float) -> str:
    if facts.stored is None:
        return f"logins are remembered for {duration_text(seconds)}; {not_known(facts, facts.stored_unknown)}"
    if facts.stored.remembered_until is None:
        return "no login of the user from this Calling-Station-Id is remembered"
    condition = "" if facts.stored.password_known else ", if the password is the same as then"
    return f"a login from this Calling-Station-Id is remembered until {_time(facts.stored.remembered_until)}{condition}"


def issued_code(facts: LoginFacts) -> Iterator[Step]:
    """Whether the help desk has issued a code for the user."""
    if facts.stored is not None and facts.stored.issued_until is not None:
        text = f"the help desk has issued a code, valid until {_time(facts.stored.issued_until)}"
        yield Step("issued code", text)
    elif facts.user is not None and facts.stored is None:
        yield Step("issued code", not_known(facts, facts.stored_unknown))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
