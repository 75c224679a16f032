"""The facts that the decisions about a login depend on: client, policy, user, and the use of limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from radius_voice import operations
from radius_voice.config.attributes import attribute_dictionary
from radius_voice.config.load import Loaded
from radius_voice.config.schema import Settings
from radius_voice.events import Reason
from radius_voice.exceptions import message_of
from radius_voice.explain.places import Places
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.passwords import Hasher
from radius_voice.login.codes.pins import ComparedPhones, called_phones
from radius_voice.login.first_factor.realms import route
from radius_voice.login.model import AuthRequest, PapPassword, Unavailable, User
from radius_voice.login.phone import Phone, country_of
from radius_voice.login.policies.policy import Policy, UserRules
from radius_voice.login.ports import IdentitySource
from radius_voice.login.second_factor.users import find_user
from radius_voice.login.upstream import RequestAttribute
from radius_voice.operations import OperationFailed, UserName
from radius_voice.operations.context import DIRECTORY_SECONDS
from radius_voice.radius import packet as radius
from radius_voice.wiring.adapters import identity_source
from radius_voice.wiring.client_entries import realms_of
from radius_voice.wiring.policies import policies_of


class LimitUse(Struct, frozen=True):
    """A limit that applies to the login: its name, what it counts for, and how much is left of `burst` per `period`.

    A budget has amounts of money in `currency`; other limits have none.
    """

    limit: str
    of: str
    left: float
    burst: float
    period: float
    currency: str = ""


class PinUse(Struct, frozen=True):
    """The pins of a user: whether there are any, and how the phones in the directory compare with them.

    `phones_removed` is whether the user has pins but no longer any phone in the directory.
    """

    has_pins: bool
    phones_removed: bool
    compared: ComparedPhones


class StoredState(Struct, frozen=True):
    """The stored values for the login: when an issued code expires, and when a remembered login ends.

    Wall-clock seconds, or None if there is none. `password_known` is False if the remembered login ends with a changed
    password and it is not known whether the password has changed.
    """

    issued_until: float | None
    remembered_until: float | None
    password_known: bool


class LoginFacts(Struct, frozen=True):
    """The facts that the decisions about the login `request` at wall-clock time `now` depend on. Its password is empty.

    `typed` is the name as typed; `request.user_name` is the name without a realm that the client strips.
    `user` is None if no user has the name, or if the directory is unavailable; `unavailable` then has the reason.
    `limits`, `pins` and `stored` may not be known; `limits_unknown`, `pins_unknown` and `stored_unknown` then have the
    reason.
    """

    settings: Settings
    places: Places
    typed: str
    request: AuthRequest
    policy: Policy
    now: float
    user: User | None = None
    unavailable: str = ""
    has_no_password: bool = False
    limits: tuple[LimitUse, ...] = ()
    limits_unknown: str = ""
    pins: PinUse | None = None
    pins_unknown: str = ""
    stored: StoredState | None = None
    stored_unknown: str = ""

    @property
    def rules(self) -> UserRules:
        """The rules for the user."""
        return self.policy.rules_of(self.policy.group_of(self.user)) if self.user else self.policy.rules

    @property
    def phone(self) -> Phone | None:
        """The phone that is called first, None if no phone is called."""
        if self.user is None:
            return None
        phones, called = self.rules.phones_of(self.user), self.called_phones
        return next(iter(phones if called is None or isinstance(called, Reason) else called), None)

    @property
    def called_phones(self) -> tuple[Phone, ...] | Reason | None:
        """The phones that the pins allow to call, or the reason to call none; None if pins or user are not known."""
        if self.user is None or self.pins is None:
            return None
        rules = self.rules
        return called_phones(self.pins.compared, rules.phones_of(self.user), rules.first_phone, rules.changed_phone)


async def facts_of(
    configuration: Loaded, client: str, name: str, calling_station_id: str, attributes: Sequence[tuple[str, str]]
) -> LoginFacts:
    """The facts about a login of the user with that name through a client. Raises OperationFailed.

    `attributes` are names and values of further attributes of the request.
    """
    settings = configuration.settings
    if client not in settings.clients:
        known = ", ".join(settings.clients)
        raise OperationFailed(f"the configuration has no client {client!r}; it has {known}")
    request = _request(settings, client, name, calling_station_id, _encoded(attributes))
    try:
        async with _identity_sources(settings) as sources:
            policy = policies_of(settings, sources)[request.policy]
            facts = LoginFacts(settings, Places(configuration, policy.name), name, request, policy, time.time())
            facts = await _with_user(facts, sources)
    except (ValueError, OSError) as problem:
        raise OperationFailed(message_of(problem)) from None
    return await _with_limits(await _with_stored(await _with_pins(facts)))


def _encoded(attributes: Sequence[tuple[str, str]]) -> tuple[RequestAttribute, ...]:
    """The attributes as in a packet. Raises OperationFailed for a name or value that is not valid."""
    if not attributes:
        return ()
    dictionary = attribute_dictionary()
    try:
        encoded = dictionary.encode_all(attributes)
    except ValueError as problem:
        raise OperationFailed(f"--attribute: {problem}") from None
    return tuple(each for each in encoded if isinstance(each, tuple))  # rules read none that are encrypted


def _request(
    settings: Settings, client: str, name: str, calling_station_id: str, attributes: tuple[RequestAttribute, ...]
) -> AuthRequest:
    entry = settings.clients[client]
    station = (
        ((radius.CALLING_STATION_ID, calling_station_id.encode(errors="surrogateescape")),)
        if calling_station_id
        else ()
    )
    routed = route(name, entry.policy, realms_of(entry))
    return AuthRequest(
        client=client,
        policy=routed.policy,
        user_name=routed.user_name,
        unlisted_realm=routed.unlisted,
        credentials=PapPassword(""),
        calling_station_id=calling_station_id,
        authenticator=b"",
        arrived=time.monotonic(),
        deadline=time.monotonic() + DIRECTORY_SECONDS,
        attributes=(*station, *attributes),
    )


@asynccontextmanager
async def _identity_sources(settings: Settings) -> AsyncIterator[Mapping[str, IdentitySource]]:
    hasher = Hasher()
    sources: dict[str, IdentitySource] = {}
    try:
        for name, section in settings.identity.items():
            sources[name] = await asyncio.to_thread(
                identity_source, name, section, IdentityContext(hasher, messages=settings.delivery.messages)
            )
        yield sources
    finally:
        for source in sources.values():
            await source.close()
        hasher.close()


async def _with_user(facts: LoginFacts, sources: Mapping[str, IdentitySource]) -> LoginFacts:
    policy = facts.policy
    try:
        user = await find_user(facts.request, policy)
    except Unavailable as problem:
        return replace(facts, unavailable=str(problem))
    same = policy.first_factor_name == policy.directory_name
    has_none = same and user in sources[policy.directory_name].without_password()
    return replace(facts, user=user, has_no_password=has_none)


async def _with_limits(facts: LoginFacts) -> LoginFacts:
    """The facts with the use of the limits that the login would be checked against."""
    if facts.user is None:
        return facts
    try:
        shared = await operations.limits(facts.settings, None)
        user = UserName(facts.request.user_name, facts.policy.directory_name)
        own = await operations.limits(facts.settings, user)
    except OperationFailed as problem:
        return replace(facts, limits_unknown=str(problem))
    uses = [LimitUse(**row) for row in (*own["limits"], *shared["limits"])]
    return replace(facts, limits=tuple(use for use in uses if _applies(use, facts)))


async def _with_pins(facts: LoginFacts) -> LoginFacts:
    """The facts with the pins of the user's phones, if they are known."""
    if facts.user is None:
        return facts
    user = UserName(facts.request.user_name, facts.policy.directory_name)
    try:
        found = await operations.perform(facts.settings, "pins", user)
    except OperationFailed as problem:
        return replace(facts, pins_unknown=str(problem))
    rows = list(zip(facts.user.phones, found["phones"], strict=False))
    if [row["phone"] for row in found["phones"]] != [phone.masked for phone in facts.user.phones]:
        return replace(facts, pins_unknown="the phones have just changed in the directory; run this again")
    compared = ComparedPhones(
        changed=tuple(phone for phone, row in rows if found["has_pins"] and not row["pinned"]),
        verified=tuple(phone for phone, row in rows if row["verified"]),
    )
    return replace(facts, pins=PinUse(found["has_pins"], found["phones_removed"], compared))


async def _with_stored(facts: LoginFacts) -> LoginFacts:
    """The facts with what the store has for the login, if it is known."""
    if facts.user is None:
        return facts
    request = facts.request
    user = UserName(request.user_name, facts.policy.directory_name)
    login = {
        "client": request.client,
        "policy": facts.policy.name,
        "calling_station_id": request.calling_station_id,
    }
    try:
        found = await operations.perform(facts.settings, "login_state", user, **login)
    except OperationFailed as problem:
        return replace(facts, stored_unknown=str(problem))
    return replace(facts, stored=StoredState(found["issued_until"], found["remembered_until"], found["password_known"]))


def _applies(use: LimitUse, facts: LoginFacts) -> bool:
    """Whether the login would be checked against the limit, which may belong to another client, country or phone."""
    scope, phone = use.limit.split(".")[1], facts.phone
    country = country_of(phone) if phone else ""
    subjects = {
        "client": facts.request.client,
        "country": country,
        "countries": country,
        "phone": Phone(phone.address).masked if phone else "",
    }
    return scope not in subjects or use.of == subjects[scope]
