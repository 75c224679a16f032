"""What a configuration and its users do not agree in: for `check`, and for `serve` at start and reload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from radius_voice.build import allowed_numbers
from radius_voice.config.errors import Finding, readable
from radius_voice.config.schema import Policy, Settings
from radius_voice.login.model import User
from radius_voice.login.phone import country_of, is_fictional, refusal
from radius_voice.login.script import LANGUAGES, is_spoken
from radius_voice.words import suggestion

SHOWN = 3
"""How many users or countries a warning names."""


def user_warnings(
    settings: Settings, users: Mapping[str, Sequence[User]], without_password: Mapping[str, Sequence[User]]
) -> Iterator[Finding]:
    """Warnings about the users of each identity source. They name a few users and no phone.

    `without_password` are the users of each source that have no password.

    Takes some 30 us per phone: with many users not to be run where packets are answered.
    """
    used = sorted({client.policy for client in settings.clients.values()})
    for name, everyone in users.items():
        path = ("identity", name, "path")
        if not everyone:
            yield path, "holds no user, so every login is rejected; add users with: radius-voice users add"
        passwords = [readable(user.name) for user in without_password[name] if not user.disabled]
        if passwords and any(settings.policies[policy].first_factor == name for policy in used):
            yield path, f"users without a password cannot log in: {_some(passwords)}"
        active = [user for user in everyone if not user.disabled]
        if any(settings.policies[policy].directory == name for policy in used):
            yield from _source_warnings(path, active, development=settings.development)
    for name in used:
        policy = settings.policies[name]
        active = [user for user in users[policy.directory] if not user.disabled]
        if active:
            yield from _group_warnings(name, policy, active)
        yield from _phone_warnings(name, policy, active, allowed_numbers(settings, policy))


def _source_warnings(path: tuple[str, ...], users: Sequence[User], *, development: bool) -> Iterator[Finding]:
    without = [readable(user.name) for user in users if not user.phones]
    if without:
        yield path, f"users without a phone cannot log in: {_some(without)}"
    fictional = [readable(user.name) for user in users if user.phones and all(map(is_fictional, user.phones))]
    if fictional and not development:
        yield path, f"users whose phones are reserved for fiction are called in vain: {_some(fictional)}"
    foreign = [
        f"{readable(user.name)} ({readable(user.language)}{suggestion(user.language, LANGUAGES)})"
        for user in users
        if not is_spoken(user.language)
    ]
    if foreign:
        spoken = ", ".join(sorted(LANGUAGES))
        yield path, f"users whose language is not spoken hear English: {_some(foreign)}; spoken are {spoken}"


def _group_warnings(name: str, policy: Policy, users: Sequence[User]) -> Iterator[Finding]:
    groups = {group for user in users for group in user.groups}
    for index, rule in enumerate(policy.reply):
        if rule.when and rule.when.group not in groups:
            path = ("policies", name, "reply", index, "when", "group")
            yield path, f"no user of {readable(policy.directory)} is in this group{suggestion(rule.when.group, groups)}"


def _phone_warnings(name: str, policy: Policy, users: Sequence[User], allowed: tuple[str, ...]) -> Iterator[Finding]:
    reasons = {
        user.name: [refusal(phone, policy.countries, allowed) for phone in user.phones] for user in users if user.phones
    }
    uncalled = {user: why for user, why in reasons.items() if all(why)}
    if not uncalled:
        return
    countries = (
        {country_of(phone) for user in users for phone in user.phones} if len(uncalled) == len(reasons) else set()
    )
    if policy.countries and countries and policy.countries.isdisjoint(countries):
        path = ("policies", name, "countries")
        yield path, f"allow none of the phones of {readable(policy.directory)}, which are in {_some(sorted(countries))}"
    else:
        some = _some([f"{readable(user)} ({why[0]})" for user, why in uncalled.items()])
        yield ("policies", name), f"users without a phone that this policy calls cannot log in: {some}"


def _some(items: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
