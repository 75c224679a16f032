"""Replaces user names and addresses by hashes: the same name has the same hash in the whole bundle.

The key of the hashes is random and not stored, so that they cannot be compared with hashes of all addresses.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from radius_voice.login.names import canonical_name

IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")
IPV6 = re.compile(r"(?<![\w:.])[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*(?<![.])")
MAC = re.compile(r"(?<![\w:-])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![\w:-])")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*")
WORD = re.compile(r"\w+(?:[.@+'-]\w+)*")
PART = re.compile(r"\w+")
IN_LOG = re.compile(r"\buser=('[^']*'|\"[^\"]*\"|[^\s'\"]+)")
HASH_OCTETS = 5
USER_KEYS = ("user", "typed_user", "by")
STATION_KEY = "calling_station_id"


class Names:
    """Replaces the names that were added, and all addresses except those of this machine's loopback interface."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._words: dict[str, str] = {}
        self._others: dict[str, str] = {}

    def add_users(self, names: Iterable[str]) -> None:
        """Names of users, in any spelling."""
        for name in names:
            self._add("user", name)

    def add_record(self, record: Mapping[str, Any]) -> None:
        """The names and addresses of an audit record."""
        self.add_users(str(record.get(key, "")) for key in USER_KEYS)
        station = str(record.get(STATION_KEY, ""))
        if not _is_loopback(station):
            self._add("address", station)

    def add_log(self, text: str) -> None:
        """The names of users in the log."""
        self.add_users(found.strip("'\"") for found in IN_LOG.findall(text))

    def in_data(self, value: Any) -> Any:
        """Data of JSON with hashes in its texts; the keys of objects are not changed."""
        match value:
            case str():
                return self.in_text(value)
            case Mapping():
                return {key: self.in_data(each) for key, each in value.items()}
            case list() | tuple():
                return [self.in_data(each) for each in value]
        return value

    def in_text(self, text: str) -> str:
        """The text with hashes in place of names and addresses."""
        for name, replacement in self._others.items():
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", replacement, text, flags=re.IGNORECASE)
        return WORD.sub(self._word, self.in_addresses(text))

    def in_addresses(self, text: str) -> str:
        """The text with hashes in place of IP and MAC addresses and what looks like an e-mail address."""
        text = MAC.sub(lambda found: self._hash("address", found[0]), text)
        for pattern in (IPV4, IPV6):
            text = pattern.sub(self._address, text)
        return EMAIL.sub(lambda found: self._hash("user", found[0]), text)

    def _add(self, kind: str, name: str) -> None:
        canonical = canonical_name(name)
        if canonical:
            known = self._words if WORD.fullmatch(canonical) else self._others
            known.setdefault(canonical, self._hash(kind, canonical))

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        whole = self._words.get(canonical_name(word))
        return whole or PART.sub(lambda part: self._words.get(canonical_name(part[0]), part[0]), word)

    def _address(self, found: re.Match[str]) -> str:
        text = found[0].rstrip(":") if not found[0].endswith("::") else found[0]
        try:
            address = ip_address(text)
        except ValueError:
            return found[0]
        if address.is_loopback or address.is_unspecified:
            return found[0]
        return self._hash("address", str(address)) + found[0][len(text) :]

    def _hash(self, kind: str, text: str) -> str:
        hashed = hashlib.blake2b(canonical_name(text).encode("utf-8", "surrogatepass"), key=self._key)
        return f"{kind}-{hashed.hexdigest()[: 2 * HASH_OCTETS]}"


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False
