r"""Realms in user names: `CORP\bob` and `bob@corp.example`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from unicodedata import normalize

from msgspec import Struct

from radius_voice.login.names import canonical_name

SEPARATORS = "\\@"


class Realm(Struct, frozen=True):
    """A realm that a client lists. `policy` is that of its users; `strip`: the realm is removed from their names."""

    policy: str
    strip: bool = True


class RoutedName(NamedTuple):
    """The name to verify and to look up, and the policy of its user. `unlisted`: no user has the name."""

    user_name: str
    policy: str
    unlisted: bool = False


def route(typed: str, policy: str, realms: Mapping[str, Realm]) -> RoutedName:
    """The user name in a request of a client with that policy and these realms, by their canonical names.

    A client without realms leaves every name to its policy, as typed.
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
    r"""The user and the canonical realm of a name: the text before a backslash, or after an `@`.

    The realm is None if the name has none. It is empty, which no client can list, if either part is empty, or if the
    name has several separators: otherwise `CORP\bob@other.example` would reach the directory under a realm that is not
    listed. Characters that directories compare as a separator (RFC 4518 section 2.3, NFKC) count as one.
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
