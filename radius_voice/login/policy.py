"""Which rules hold for this person at this client."""

from __future__ import annotations

from dataclasses import dataclass

from radius_voice.events import Outcome
from radius_voice.login.model import User
from radius_voice.login.phone import Phone, refusal
from radius_voice.login.ports import Directory, FirstFactor
from radius_voice.login.script import SCRIPT_SECONDS

PROVIDER_SECONDS = 20.0
"""How long placing a call may take."""


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """Attributes (names and values as written) that an Accept carries for members of `group`, or for all."""

    group: str | None
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one policy. Durations in seconds; `bypass_until` is wall clock, 0 when there is none.

    `first_factor` is None when the gateway has checked the password itself; `countries` is None
    when every country may be called. `allow_numbers` are E.164 numbers and prefixes that may be called whatever
    their kind and country.
    """

    name: str
    first_factor_name: str
    directory_name: str
    first_factor: FirstFactor | None
    directory: Directory
    digits: int
    lifetime: float
    tries: int
    redials: int
    ring: int
    cap: float
    countries: frozenset[str] | None = None
    allow_numbers: tuple[str, ...] = ()
    on_unavailable: Outcome = Outcome.SILENCE
    bypass_until: float = 0.0
    reply: tuple[ReplyRule, ...] = ()

    @property
    def live(self) -> float:
        """How long after it was asked for a call may live: placing, ringing and speaking."""
        return PROVIDER_SECONDS + self.ring + SCRIPT_SECONDS

    def person(self, user: User) -> str:
        """Who somebody is for good: sources may use the same ids for different people."""
        return f"{self.directory_name}:{user.id}"

    def user_id(self, person: str) -> str | None:
        """The id in this policy's directory of somebody that `person` named, or None for another directory's."""
        prefix = f"{self.directory_name}:"
        return person.removeprefix(prefix) if person.startswith(prefix) else None

    def phones_of(self, user: User) -> tuple[Phone, ...]:
        """The user's phones that may be called, in their order."""
        return tuple(phone for phone in user.phones if self.may_call(phone))

    def may_call(self, phone: Phone) -> bool:
        """Whether the number is of a kind and a country that may be called, or allowed by itself."""
        return refusal(phone, self.countries, self.allow_numbers) is None

    def reply_to(self, user: User) -> tuple[tuple[str, str], ...]:
        """The attributes an Accept for this person carries."""
        return tuple(
            attribute
            for rule in self.reply
            if rule.group is None or rule.group in user.groups
            for attribute in rule.attributes
        )
