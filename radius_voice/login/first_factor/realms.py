r"""Realms in user names: `CORP\bob` and `bob@corp.example`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from unicodedata import normalize

from msgspec import Struct

from radius_voice.login.names import canonical_name

SEPARATORS = "\\@"


class Realm(Struct, frozen=True):
    """A realm that a client lists."""

    policy: str  # of the realm's users
    strip: bool = True  # remove the realm from user names


class RoutedName(NamedTuple):
    """The result of `route`."""

    user_name: str  # the name to verify and to look up
    policy: str
    unlisted: bool = False  # the client does not list the realm, so no user has the name


def route(typed: str, policy: str, realms: Mapping[str, Realm]) -> RoutedName:
    """Route the typed name of a request to the policy of its realm, or else to the client's `policy`.

    `realms` are by canonical name. If there are none, every name stays as typed.
    """
    if not realms:
        return RoutedName(typed, policy)
    user, name = split(typed)
    if name is None:
        return RoutedName(typed, policy)
    realm = realms.get(name)
    if realm is None:
        return RoutedName(typed, policy, unlisted=True)
    return RoutedName(user if realm.strip else typed, realm.policy)


def split(typed: str) -> tuple[str, str | None]:
    r"""Split a name into the user and the canonical realm, which is before a backslash or after an `@`.

    The realm is None for a name without separator. It is empty, which no client can list, if either part is empty or
    there are several separators: otherwise `CORP\bob@other.example` could be verified under an unlisted realm.
    Characters that directories treat as a separator (RFC 4518 section 2.3, NFKC) count as separators.
    """
    separators = [letter for letter in normalize("NFKC", typed) if letter in SEPARATORS]
    if not separators:
        return typed, None
    if len(separators) > 1 or separators[0] not in typed:
        return typed, ""
    before, _, after = typed.partition(separators[0])
    user, realm = (after, before) if separators[0] == "\\" else (before, after)
    canonical = canonical_name(realm)
    return (user, canonical) if canonical and user.strip() else (typed, "")
