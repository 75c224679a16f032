"""The connections to one server. Each is used by one request at a time, in its thread."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from radius_voice.identity.ldap.client import (
    SUCCESS,
    Address,
    BindResult,
    Entry,
    LdapClient,
    RequestRefused,
    Scope,
)
from radius_voice.identity.ldap.settings import LdapSettings


@dataclass(frozen=True, slots=True)
class Access:
    """How to connect, and the service account for searches. Without `bind_dn`, searches are anonymous."""

    context: ssl.SSLContext
    bind_dn: str | None = None
    password: SecretStr | None = field(default=None, repr=False)


class Pool:
    """Idle connections to one server. Some are bound as the service account, the others are for binds of users.

    The number of either kind is at most the number of requests that ran in parallel.
    """

    def __init__(self, address: Address, access: Access) -> None:
        self.address = address
        self.access = access
        self._guard = threading.Lock()
        self._searchers: list[LdapClient] = []
        self._binders: list[LdapClient] = []
        self._closed = False

    def searcher(self, deadline: float) -> LdapClient:
        """A connection that is bound as the service account. Raises ServerFailed or RequestRefused."""
        return self._idle(self._searchers) or self._bound(
            LdapClient(self.address, self.access.context, deadline), deadline
        )

    def binder(self, deadline: float) -> LdapClient:
        """A connection to bind users with. Raises ServerFailed."""
        return self._idle(self._binders) or LdapClient(self.address, self.access.context, deadline)

    def put_back(self, searcher: LdapClient | None, binder: LdapClient | None) -> None:
        """Return connections to the pool."""
        with self._guard:
            for client, idle in ((searcher, self._searchers), (binder, self._binders)):
                if client is not None and not self._closed:
                    idle.append(client)
                elif client is not None:
                    client.close()

    def close_idle(self) -> None:
        """Close the idle connections, because they may be broken for the same reason as one that failed."""
        with self._guard:
            for client in (*self._searchers, *self._binders):
                client.close()
            self._searchers.clear()
            self._binders.clear()

    def close(self) -> None:
        """Close every connection. Connections in use are closed when their request ends."""
        self._closed = True
        self.close_idle()

    def _idle(self, idle: list[LdapClient]) -> LdapClient | None:
        while True:
            with self._guard:
                client = idle.pop() if idle else None
            if client is None or client.is_usable():
                return client
            client.close()

    def _bound(self, client: LdapClient, deadline: float) -> LdapClient:
        try:
            self._bind_account(client, deadline)
        except BaseException:
            client.close()
            raise
        return client

    def _bind_account(self, client: LdapClient, deadline: float) -> None:
        account = self.access
        if account.bind_dn is None or account.password is None:
            return
        result = client.bind(account.bind_dn, account.password.get_secret_value(), deadline)
        if result.code != SUCCESS:
            raise RequestRefused(f"the directory refuses bind_dn and bind_password (result code {result.code})")


def pools_of(settings: LdapSettings) -> list[Pool]:
    """A pool for each server. Connects to none. Raises OSError if a file with a certificate or key cannot be used."""
    access = Access(_tls_context(settings), settings.bind_dn, settings.bind_password)
    return [
        Pool(Address(server.host, server.port, server.tls, settings.start_tls and not server.tls), access)
        for server in settings.servers
    ]


def _tls_context(settings: LdapSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if not settings.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_certificate is not None:
        context.load_cert_chain(settings.client_certificate, settings.client_key)
    return context


class Lease:
    """The connections of one request, used in its thread. Methods raise ServerFailed and RequestRefused.

    `deadline` is in monotonic seconds. `password_sent`: the password of a user may have reached the server.
    """

    def __init__(self, pool: Pool, deadline: float) -> None:
        self._pool = pool
        self._deadline = deadline
        self._searcher: LdapClient | None = None
        self._binder: LdapClient | None = None
        self._searches_as_user = False
        self.password_sent = False

    def bind(self, name: str, password: str) -> BindResult:
        """Bind a user."""
        if self._binder is None:
            self._binder = self._pool.binder(self._deadline)
        self.password_sent = True
        return self._binder.bind(name, password, self._deadline)

    def search(
        self, base: str, scope: Scope, search_filter: str, attributes: Sequence[str], *, limit: int = 0
    ) -> list[Entry]:
        """Search as the service account, or as the user after `as_bound_user`. `limit` 0 means no limit."""
        if self._searches_as_user and self._binder is not None:
            return self._binder.search(base, scope, search_filter, attributes, self._deadline, limit)
        if self._searcher is None:
            self._searcher = self._pool.searcher(self._deadline)
        return self._searcher.search(base, scope, search_filter, attributes, self._deadline, limit)

    def as_bound_user(self) -> None:
        """From now on, search as the user who was bound last."""
        self._searches_as_user = True

    def put_back(self) -> None:
        """Return the connections to the pool."""
        self._pool.put_back(self._searcher, self._binder)

    def close(self) -> None:
        """Close the connections, because one of them has failed."""
        for client in (self._searcher, self._binder):
            if client is not None:
                client.close()
