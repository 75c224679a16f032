"""Reads users with their phones and groups from a directory. Runs in the thread of a request."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from radius_voice.identity.ldap.client import Entry, RequestRefused
from radius_voice.identity.ldap.lockout import EVERY_ENTRY, RESULTANT_PSO
from radius_voice.identity.ldap.names import filter_value, first_value, is_below, is_dn, rdn_value, with_user
from radius_voice.identity.ldap.pool import Lease
from radius_voice.identity.ldap.settings import LdapSettings
from radius_voice.login.model import User
from radius_voice.login.phone import Phone, parse_phone
from radius_voice.messages import DEFAULT_LANGUAGE, Catalog

IN_CHAIN = "1.2.840.113556.1.4.1941"
"""LDAP_MATCHING_RULE_IN_CHAIN, [MS-ADTS] section 3.1.1.3.4.4.3."""
ACCOUNT_DISABLED = 2
"""ADS_UF_ACCOUNTDISABLE of userAccountControl."""
LOCKED_PERMANENTLY = "000001010000Z"
"""pwdAccountLockedTime of an account that an administrator has disabled (slapo-ppolicy)."""
MAX_GROUPS = 1000
MAX_LEVELS = 16
MAX_PHONES = 20
"""Users who may change their own entry could otherwise delay other logins by thousands of values to parse."""
DNS_A_SEARCH = 50


@dataclass(frozen=True, slots=True)
class Defaults:
    """The default settings for a type of directory."""

    user_filter: str
    name: str
    id: str
    password_changed: str
    disabled: str


DEFAULTS = {
    "openldap": Defaults("(uid={user})", "uid", "entryUUID", "pwdChangedTime", "pwdAccountLockedTime"),
    "active_directory": Defaults(
        "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={user})(userPrincipalName={user})))",
        "sAMAccountName",
        "objectGUID",
        "pwdLastSet",
        "userAccountControl",
    ),
}


class Reader:
    """Finds users. `warn` is called with a text about a user whose entry cannot be used completely.

    `messages` has the languages that users may have.
    """

    def __init__(self, settings: LdapSettings, warn: Callable[[str], None], messages: Catalog) -> None:
        defaults = DEFAULTS[settings.server_type]
        self._settings = settings
        self._warn = warn
        self._messages = messages
        self._user_filter = settings.user_filter or defaults.user_filter
        self._name = settings.name_attribute or defaults.name
        self._id = settings.id_attribute or defaults.id
        self._password_changed = defaults.password_changed
        self._attributes = list(
            dict.fromkeys(
                (
                    self._name,
                    self._id,
                    *settings.phones,
                    *((settings.language_attribute,) if settings.language_attribute else ()),
                    *((RESULTANT_PSO,) if settings.server_type == "active_directory" else ()),
                    "memberOf",
                    defaults.password_changed,
                    defaults.disabled,
                )
            )
        )

    def entry_of(self, lease: Lease, name: str) -> Entry | None:
        """The entry of the user with that name; None if there is none or several match."""
        template = self._settings.bind_template
        if template is not None and is_dn(template):
            found = lease.search(with_user(template, rdn_value(name)), "BASE", EVERY_ENTRY, self._attributes)
        else:
            found = self._found(lease, with_user(self._user_filter, filter_value(name)))
        return self._only(found)

    def entry_with_id(self, lease: Lease, user_id: str) -> Entry | None:
        """The entry with that stable id."""
        try:
            value = uuid.UUID(user_id).bytes_le if self._has_guids else user_id
        except ValueError:
            return None  # the id was stored under another id_attribute
        return self._only(self._found(lease, f"({self._id}={filter_value(value)})"))

    def name_of(self, entry: Entry) -> str:
        """The user's name in the directory."""
        return entry.text(self._name) or first_value(entry.dn)

    def password_changed_at(self, entry: Entry) -> str:
        """The time of the last change of the password, in the directory's format; empty if it is unknown."""
        return entry.text(self._password_changed)

    def user_of(self, lease: Lease, entry: Entry) -> User:
        """The user of an entry, with groups. Raises RequestRefused if the entry has no id."""
        return User(
            id=self.id_of(entry),
            name=self.name_of(entry),
            phones=tuple(dict.fromkeys(self._phones_of(entry))),
            language=self._language_of(entry),
            groups=frozenset(filter(None, map(first_value, self._groups_of(lease, entry)))),
            disabled=self._is_disabled(entry),
        )

    @property
    def filter_of_all(self) -> str:
        """The filter that finds every user: `user_filter` with `*` in place of the name."""
        return with_user(self._user_filter, "*")

    @property
    def id_attribute(self) -> str:
        """The attribute with the stable id."""
        return self._id

    @property
    def _has_guids(self) -> bool:
        return self._id.lower() == "objectguid"

    def _found(self, lease: Lease, search_filter: str) -> list[Entry]:
        return lease.search(self._settings.base, "SUBTREE", search_filter, self._attributes, limit=2)

    def _only(self, found: Sequence[Entry]) -> Entry | None:
        if len(found) > 1:
            self._warn(f"several entries match one user name, so logins by it fail: {found[0].dn} and {found[1].dn}")
        return found[0] if len(found) == 1 else None

    def id_of(self, entry: Entry) -> str:
        """The user's stable id. Raises RequestRefused if the entry has none."""
        values = entry.attributes.get(self._id.lower(), ())
        text = entry.text(self._id)
        if self._has_guids and values and len(values[0]) == len(uuid.UUID(int=0).bytes):
            return str(uuid.UUID(bytes_le=bytes(values[0])))
        if self._has_guids or not text:
            raise RequestRefused(f"an entry has no {self._id}; let the service account read it, or set id_attribute")
        return text

    def _phones_of(self, entry: Entry) -> Iterator[Phone]:
        for attribute in self._settings.phones:
            for text in entry.texts(attribute)[:MAX_PHONES]:
                try:
                    yield parse_phone(text, self._settings.default_region)
                except ValueError as problem:
                    self._warn(f"a phone of {self.name_of(entry)} in {attribute} is ignored: {problem}")

    def _language_of(self, entry: Entry) -> str:
        """The first supported language in an attribute like `de-AT, en;q=0.8` (RFC 2798 section 2.7)."""
        attribute = self._settings.language_attribute
        written = entry.texts(attribute) if attribute else []
        tags = (part.partition(";")[0].strip() for text in written for part in text.split(","))
        return next((tag for tag in tags if self._messages.find(tag) is not None), DEFAULT_LANGUAGE)

    def _is_disabled(self, entry: Entry) -> bool:
        control = entry.text("userAccountControl")
        if control.lstrip("-").isdecimal() and int(control) & ACCOUNT_DISABLED:
            return True
        return entry.text("pwdAccountLockedTime") == LOCKED_PERMANENTLY

    # Groups

    def _groups_of(self, lease: Lease, entry: Entry) -> Iterable[str]:
        """The DNs of the user's groups below `group_base`."""
        base = self._settings.group_base or self._settings.base
        direct = [dn for dn in entry.texts("memberOf") if is_below(dn, base)]
        if not self._settings.nested_groups:
            return direct
        if self._settings.server_type == "active_directory":
            chain = f"(member:{IN_CHAIN}:={filter_value(entry.dn)})"
            return [group.dn for group in self._searched(lease, base, chain)]
        return self._walked(lease, base, entry.dn, entry.texts("memberOf"))

    def _walked(self, lease: Lease, base: str, user: str, direct: Sequence[str]) -> Iterable[str]:
        """The groups of a user, found level by level. Each group is followed once, so cycles end."""
        known = dict.fromkeys(direct)
        ahead = [user, *direct]
        for _ in range(MAX_LEVELS):
            found = [group.dn for part in _chunks(ahead) for group in self._searched(lease, base, _has_member(part))]
            ahead = [dn for dn in dict.fromkeys(found) if dn not in known]
            known |= dict.fromkeys(ahead)
            if not ahead:
                return [dn for dn in known if is_below(dn, base)]
            if len(known) > MAX_GROUPS:
                break
        raise RequestRefused(f"a user is in more than {MAX_GROUPS} groups, or {MAX_LEVELS} levels of them")

    def _searched(self, lease: Lease, base: str, search_filter: str) -> list[Entry]:
        found = lease.search(base, "SUBTREE", search_filter, (), limit=MAX_GROUPS)
        if len(found) >= MAX_GROUPS:
            raise RequestRefused(f"a user is in more than {MAX_GROUPS} groups")
        return found


def _has_member(dns: Sequence[str]) -> str:
    return f"(|{''.join(f'(member={value})(uniqueMember={value})' for value in map(filter_value, dns))})"


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + DNS_A_SEARCH] for start in range(0, len(items), DNS_A_SEARCH))
