"""One connection to an LDAP server, with ldap3 (blocking). Every operation ends by its deadline.

ldap3 limits only the time of each `recv`, so a server that sends single octets slowly could block a thread forever.
Here the timeout of each `recv` is the time left until the deadline. Referrals are never followed, because they would
send the password to a server that is not configured.
"""

from __future__ import annotations

import math
import re
import select
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import ldap3
from ldap3.core.exceptions import LDAPExceptionError
from pyasn1.error import PyAsn1Error

Scope: TypeAlias = Literal["BASE", "SUBTREE"]

START_TLS = "1.3.6.1.4.1.1466.20037"
"""RFC 4511 section 4.14."""
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - an object identifier
"""draft-behera-ldap-password-policy, section 6."""
PAGED_RESULTS = "1.2.840.113556.1.4.319"
"""RFC 2696 section 2."""
MAX_IDLE_SECONDS = 60.0
"""An idle connection is closed after this time, because a firewall may have dropped it."""
MALFORMED = (PyAsn1Error, ValueError, LookupError, TypeError, AttributeError)
"""The exceptions that ldap3 raises for a response that is not an LDAP message."""

NO_ANSWER = "no answer in time"
OS_ERROR = re.compile(r"\[Errno \d+\] ([A-Za-z ]+)")
SUCCESS, SIZE_LIMIT_EXCEEDED, REFERRAL, NO_SUCH_OBJECT = 0, 4, 10, 32
ENDS_OF_SEARCH = frozenset({SUCCESS, SIZE_LIMIT_EXCEEDED, REFERRAL, NO_SUCH_OBJECT})
SERVER_PROBLEMS = {3: "timeLimitExceeded", 51: "busy", 52: "unavailable", 80: "other"}
"""Result codes that concern the server and not the request: another server may succeed (RFC 4511 appendix A.2)."""


class ServerFailed(Exception):
    """The server cannot be used now; another server may succeed. The text contains no secret."""


class RequestRefused(Exception):
    """The directory refuses a request that the configuration needs, at every server. The text contains no secret."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server. Without `tls` and `start_tls`, the connection is in clear text."""

    host: str
    port: int
    tls: bool  # from the start (ldaps)
    start_tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the directory. The names of `attributes` are in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]

    def texts(self, attribute: str) -> list[str]:
        """The values of an attribute that are valid UTF-8, in the server's order."""
        texts = []
        for value in self.attributes.get(attribute.lower(), ()):
            try:
                texts.append(value.decode())
            except UnicodeDecodeError:
                continue
        return texts

    def text(self, attribute: str) -> str:
        """The first value of an attribute; empty if there is none."""
        return next(iter(self.texts(attribute)), "")


@dataclass(frozen=True, slots=True)
class BindResult:
    """The result of a bind."""

    code: int
    message: str
    password_policy: bytes | None = None  # the value of the password policy control, if the server sent one


class LdapClient:
    """A connection, for one thread at a time. The constructor opens it; `context` verifies the server's certificate.

    Deadlines are monotonic seconds. Every method raises ServerFailed if the server does not respond in time, closes the
    connection, or sends something other than LDAP. Then the connection must be closed.
    """

    def __init__(self, address: Address, context: ssl.SSLContext, deadline: float) -> None:
        self._address = address
        self._last_used = time.monotonic()
        try:
            self._connection, self._socket = _connected(address, deadline)
        except (LDAPExceptionError, OSError, UnicodeError) as problem:  # UnicodeError: a label of the name is too long
            raise ServerFailed(_text(problem)) from None
        try:
            self._secure(context)
        except BaseException:
            self.close()
            raise

    def _secure(self, context: ssl.SSLContext) -> None:
        if not (self._address.tls or self._address.start_tls):
            return
        try:
            if not self._address.tls:
                self._connection.extended(START_TLS)
                if self._connection.result["result"] != SUCCESS:
                    raise ServerFailed(f"the server refuses StartTLS: {self._connection.result['description']}")
            self._socket.secure(context, self._address.host)
        except ssl.SSLCertVerificationError as problem:
            raise ServerFailed(f"the server's certificate is not accepted: {problem.verify_message}") from None
        except (LDAPExceptionError, OSError, *MALFORMED) as problem:
            raise ServerFailed(_text(problem)) from None

    def bind(self, name: str, password: str, deadline: float) -> BindResult:
        """Bind with a simple password, which must not be empty: an empty one would be an anonymous bind."""
        if not password:
            raise ValueError("a bind with an empty password is an anonymous bind")
        self._limit(deadline)
        # As octets, because ldap3 applies SASLprep to text, which rejects emojis and changes other characters.
        octets = password.encode("utf-8", "surrogatepass")
        # `rebind` is not used, because its errors do not contain the cause.
        self._connection.user, self._connection.password = name, octets
        self._connection.authentication = ldap3.SIMPLE
        try:
            self._connection.bind(read_server_info=False, controls=[(PASSWORD_POLICY, False, None)])
            result = self._connection.result
            control = result.get("controls", {}).get(PASSWORD_POLICY, {})
            bind_result = BindResult(result["result"], result["message"], control.get("value"))
        except (LDAPExceptionError, OSError, *MALFORMED) as problem:
            raise ServerFailed(_text(problem)) from None
        finally:
            self._connection.password = self._connection.request = None
        if bind_result.code in SERVER_PROBLEMS:
            raise ServerFailed(f"the bind fails: {SERVER_PROBLEMS[bind_result.code]}")
        return bind_result

    def search(
        self, base: str, scope: Scope, search_filter: str, attributes: Sequence[str], deadline: float, limit: int
    ) -> list[Entry]:
        """The entries that match, at most `limit`; none if `base` does not exist or is a referral.

        Raises RequestRefused if the directory does not allow the search.
        """
        self._limit(deadline)
        try:
            self._connection.search(
                base,
                search_filter,
                scope,
                ldap3.DEREF_NEVER,
                [*attributes] or [ldap3.NO_ATTRIBUTES],
                size_limit=limit,
                time_limit=max(1, math.ceil(deadline - time.monotonic())),
            )
            return self._entries()
        except (LDAPExceptionError, OSError, *MALFORMED) as problem:
            raise ServerFailed(_text(problem)) from None

    def page(
        self, base: str, search_filter: str, attributes: Sequence[str], deadline: float, size: int, cookie: bytes
    ) -> tuple[list[Entry], bytes]:
        """One page of the entries that match, and the cookie of the next page (RFC 2696).

        `cookie` is empty for the first page; the returned cookie is empty after the last page. Raises RequestRefused if
        the directory does not allow the search, or ends it because of a limit.
        """
        self._limit(deadline)
        try:
            self._connection.search(
                base,
                search_filter,
                ldap3.SUBTREE,
                ldap3.DEREF_NEVER,
                [*attributes],
                time_limit=max(1, math.ceil(deadline - time.monotonic())),
                paged_size=size,
                paged_cookie=cookie or None,
            )
            entries = self._entries({SUCCESS})
            control = self._connection.result.get("controls", {}).get(PAGED_RESULTS, {})
            return entries, bytes(control.get("value", {}).get("cookie") or b"")
        except (LDAPExceptionError, OSError, *MALFORMED) as problem:
            raise ServerFailed(_text(problem)) from None

    def _entries(self, complete: AbstractSet[int] = ENDS_OF_SEARCH) -> list[Entry]:
        """The entries of the response. `complete` are the result codes with which the entries may be used."""
        result = self._connection.result
        code: int = result["result"]
        if code in SERVER_PROBLEMS:
            raise ServerFailed(f"the search fails: {SERVER_PROBLEMS[code]}")
        if code not in complete:
            raise RequestRefused(f"the directory refuses the search: {result['description']}")
        return [
            Entry(each["dn"], {name.lower(): values for name, values in each["raw_attributes"].items()})
            for each in self._connection.response or ()
            if each["type"] == "searchResEntry"
        ]

    def is_usable(self) -> bool:
        """Whether an idle connection can be used again: it was used recently, and the server has not closed it."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return time.monotonic() - self._last_used < MAX_IDLE_SECONDS and not poll.poll(0)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _limit(self, deadline: float) -> None:
        # ldap3 would open a closed connection again to bind, without TLS.
        if self._connection.closed:
            raise ServerFailed("the connection is closed")
        self._last_used = time.monotonic()
        self._socket.deadline = deadline


class _DeadlineSocket:
    """The socket that ldap3 gets. The timeout of each operation is the time left until `deadline`."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self.deadline = deadline
        self._socket = connected

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Do a TLS handshake. Python applies the socket's timeout to the whole handshake."""
        self._limit()
        self._socket = context.wrap_socket(self._socket, server_hostname=host)

    def recv(self, size: int) -> bytes:
        self._limit()
        return self._socket.recv(size)

    def sendall(self, octets: bytes) -> None:
        self._limit()
        self._socket.sendall(octets)

    def fileno(self) -> int:
        return self._socket.fileno()

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()

    def _limit(self) -> None:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError(NO_ANSWER)
        self._socket.settimeout(remaining)


def _connected(address: Address, deadline: float) -> tuple[Any, _DeadlineSocket]:
    """A TCP connection to the first address of the host that accepts one. The time is shared among the addresses."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    for index, (*_, where) in enumerate(found):
        share = (deadline - time.monotonic()) / (len(found) - index)
        if share <= 0:
            break
        server = ldap3.Server(str(where[0]), address.port, get_info=ldap3.NONE, connect_timeout=share)
        connection = ldap3.Connection(
            server, auto_referrals=False, auto_range=False, auto_escape=False, check_names=False
        )
        try:
            connection.open(read_server_info=False)
        except LDAPExceptionError:
            if connection.socket is not None:
                connection.socket.close()
            if index == len(found) - 1:
                raise
        else:
            connection.socket = limited = _DeadlineSocket(connection.socket, deadline)
            return connection, limited
    raise TimeoutError(NO_ANSWER)


def _text(problem: Exception) -> str:
    """The text of an error, without any text of the server or the user."""
    text = str(problem)
    if isinstance(problem, TimeoutError) or "timed out" in text or NO_ANSWER in text:
        return NO_ANSWER
    if isinstance(problem, socket.gaierror | UnicodeError):
        return "its host name cannot be resolved"
    if isinstance(problem, ssl.SSLError):
        return f"TLS fails: {getattr(problem, 'reason', None) or 'the server closed the connection'}"
    if isinstance(problem, OSError | LDAPExceptionError):
        found = OS_ERROR.search(text)
        return f"no connection: {found[1]}" if found else "the server closed the connection"
    return "the answer is not LDAP"
