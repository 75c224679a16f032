"""Limits: the generic cell rate algorithm, and which limits a login touches. Pure.

A limit of `burst` over `period` keeps one number a subject: the theoretical arrival time, the
moment at which the subject is back to a full allowance (ITU-T I.371, virtual scheduling).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import floor

from radius_voice.login.model import Act, Limit, Limited, Spend
from radius_voice.login.phone import Phone, country_of

OWN_SCOPES = ("person", "phone")


def arrival_time(full_at: float, limit: Limit, act: Act, now: float) -> float | None:
    """The theoretical arrival time after `act`, or None when the limit forbids it.

    `full_at` is the time stored before; anything up to `now` means a full allowance, and so does what no use
    can have left: it was written before the clock was set back, and would lock for as long.
    """
    interval = limit.period / limit.burst
    base = now if full_at - now > limit.period + interval else max(full_at, now)
    if act is Act.CLEAR:
        return now
    if act is Act.GIVE_BACK:
        return max(base - interval, now)
    taken = base + interval
    if taken - now > limit.period + interval * 1e-6:
        return None
    return taken if act is Act.TAKE else base


def settle(spends: Iterable[Spend], read: Callable[[str], float | None], now: float) -> dict[str, float] | Limited:
    """What to write for all of `spends`, or the first limit that forbids one: all or none.

    A limit that was full and stays so is not written.
    `read` gives the stored time of `storage_key(spend)`, None where there is none.
    """
    written: dict[str, float] = {}
    for spend in spends:
        limit, _, act = spend
        key = storage_key(spend)
        before = written[key] if key in written else read(key) or 0.0
        after = arrival_time(before, limit, act, now)
        if after is None:
            return Limited(limit, before + limit.period / limit.burst - limit.period - now)
        if act is not Act.PEEK and (after > now or before > now):
            written[key] = after
    return written


def storage_key(spend: Spend) -> str:
    """The name under which a store keeps a subject's time."""
    return f"{spend.subject}:{spend.limit.name}"


def left_of(full_at: float, limit: Limit, now: float) -> int:
    """How many uses are left of a limit whose stored time is `full_at`."""
    interval = limit.period / limit.burst
    base = now if full_at - now > limit.period + interval else max(full_at, now)
    return min(limit.burst, floor((now + limit.period - base) / interval + 1e-6))


def subjects_of(person: str, phone: Phone, source: str, client: str) -> Mapping[str, str]:
    """Whom a call or a code is counted for, by scope; the source is empty where the gateway sent none."""
    return {
        "person": person,
        "phone": phone.e164,
        "source": source,
        "client": client,
        "country": country_of(phone),
        "all": "all",
    }


@dataclass(frozen=True, slots=True)
class Limits:
    """The configured limits by scope; a scope that is missing is not limited.

    `failures` (of passwords) knows person, source, client and all; `codes` and `calls` know every scope of
    `subjects_of`; `daily` knows person, country and all.
    """

    failures: Mapping[str, Limit] = field(default_factory=dict)
    codes: Mapping[str, Limit] = field(default_factory=dict)
    calls: Mapping[str, Limit] = field(default_factory=dict)
    daily: Mapping[str, Limit] = field(default_factory=dict)

    def for_password(self, name_hash: str, source: str) -> tuple[Spend, ...]:
        """What a wrong password costs its name and source; `name_hash` stands for the name as typed.

        It is taken before the password is looked at and given back when that was right, so that guesses at once
        are no more than guesses one by one.
        """
        return _spends(self.failures, {"person": name_hash, "source": source})

    def for_wrong_password(self, client: str) -> tuple[Spend, ...]:
        """What a wrong password costs all who share a gateway.

        It is asked before and taken after: people who log in at once with right passwords cost each other nothing.
        """
        return _spends(self.failures, {"client": client, "all": "all"})

    def for_code(self, subjects: Mapping[str, str], act: Act = Act.TAKE) -> tuple[Spend, ...]:
        """What a wrong code costs."""
        return _spends(self.codes, subjects, act)

    def for_right_code(self, subjects: Mapping[str, str]) -> tuple[Spend, ...]:
        """A right code counts while no limit of wrong ones is reached, and clears those of its person and phone."""
        own = {scope: self.codes[scope] for scope in OWN_SCOPES if scope in self.codes}
        return (*self.for_code(subjects, Act.PEEK), *_spends(own, subjects, Act.CLEAR))

    def for_phone(self, phone: Phone) -> tuple[Spend, ...]:
        """What ringing one more phone of the same login costs, when the first one was refused."""
        subjects = {"phone": phone.e164, "country": country_of(phone)}
        return (*self.for_code(subjects, Act.PEEK), *self.for_call(subjects))

    def for_call(self, subjects: Mapping[str, str]) -> tuple[Spend, ...]:
        """What ringing a phone costs."""
        return _spends(self.calls, subjects) + _spends(self.daily, subjects)

    def about(self, subjects: Mapping[str, str], password_subjects: Iterable[str] = ()) -> tuple[Spend, ...]:
        """Every limit that counts something for these subjects.

        Wrong passwords of a user are counted under `password_subjects` (see `first_factor`), not under the user's id.
        """
        shared = {scope: subject for scope, subject in subjects.items() if scope != "person"}
        return (
            *_spends(self.failures, shared),
            *(spend for subject in password_subjects for spend in _spends(self.failures, {"person": subject})),
            *self.for_code(subjects),
            *self.for_call(subjects),
        )


def _spends(limits: Mapping[str, Limit], subjects: Mapping[str, str], act: Act = Act.TAKE) -> tuple[Spend, ...]:
    named = [(limit, subjects.get(scope)) for scope, limit in limits.items()]
    return tuple([Spend(limit, subject, act) for limit, subject in named if subject])


def acting(act: Act, spends: Iterable[Spend]) -> tuple[Spend, ...]:
    """The same limits and subjects, touched in another way."""
    return tuple(Spend(spend.limit, spend.subject, act) for spend in spends)
