"""Lists the users of a directory in pages (RFC 2696), for commands. Blocks; logins never do this."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from radius_voice.identity.ldap.client import LdapClient, RequestRefused, ServerFailed
from radius_voice.identity.ldap.directory import Reader
from radius_voice.identity.ldap.pool import pools_of
from radius_voice.identity.ldap.settings import LdapSettings
from radius_voice.messages import SHIPPED

PAGE_SIZE = 500
"""Active Directory sends at most 1,000 entries of a page (MaxPageSize)."""
PAGE_SECONDS = 30.0
MAX_PAGES = 10_000
SIZE_LIMIT = "sizeLimitExceeded"


def create_lister(name: str, settings: LdapSettings) -> LdapUserLister:
    """The lister of the directory that `settings` describe. Connects to no server. Raises OSError."""
    return LdapUserLister(f"identity.{name}", settings)


class LdapUserLister:
    """Implements `UserLister` with the first server that can be reached. `key` is the path of the section."""

    def __init__(self, key: str, settings: LdapSettings) -> None:
        self._key = key
        self._settings = settings
        self._reader = Reader(settings, lambda _: None, SHIPPED)
        self._pools = pools_of(settings)
        self._client: LdapClient | None = None

    def user_ids(self) -> Iterator[Sequence[str]]:
        """The ids of all users below `base`, one page at a time. Raises ValueError if there is no user."""
        client, found, cookie = self._connected(), set[str](), b""
        for _ in range(MAX_PAGES):
            ids, cookie = self._page(client, cookie, len(found))
            new = [each for each in dict.fromkeys(ids) if each not in found]
            found.update(new)
            yield new
            if not cookie:
                break
        else:
            raise ValueError(f"{self._key}: the list of users does not end after {MAX_PAGES} pages")
        if not found:
            account = self._settings.bind_dn or "an anonymous client; set bind_dn"
            raise ValueError(
                f"{self._key}: no user below {self._settings.base} matches {self._reader.filter_of_all} for {account}"
            )

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> LdapClient:
        """A connection to the first server that accepts the service account. Raises ValueError."""
        problems = []
        for pool in self._pools:
            try:
                self._client = pool.searcher(time.monotonic() + self._settings.timeout)
            except (ServerFailed, RequestRefused) as problem:
                problems.append(f"{pool.address}: {problem}")
            else:
                return self._client
        raise ValueError(f"{self._key}: {'; '.join(problems)}")

    def _page(self, client: LdapClient, cookie: bytes, before: int) -> tuple[list[str], bytes]:
        """The ids of a page and the next cookie. `before` is the number of ids that were read earlier."""
        reader, deadline = self._reader, time.monotonic() + PAGE_SECONDS
        try:
            entries, next_cookie = client.page(
                self._settings.base, reader.filter_of_all, [reader.id_attribute], deadline, PAGE_SIZE, cookie
            )
            return [reader.id_of(entry) for entry in entries], next_cookie
        except (ServerFailed, RequestRefused) as problem:
            fix = ""
            if SIZE_LIMIT in str(problem):
                fix = "; let the service account read all users (OpenLDAP: olcLimits with size.prtotal=unlimited)"
            raise ValueError(f"{self._key}: the list of users ends after {before} users: {problem}{fix}") from None
