"""Checks the host that a request names, against DNS rebinding. Pure.

The owner of `http://evil.example` can point that name at 127.0.0.1. Then the site's pages can read the responses
from there, because the browser sees the same origin. But the browser still names `evil.example` as the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]{1,5})?", re.ASCII)
"""An IPv6 address in brackets, or an IPv4 address or name, with an optional port (RFC 3986 section 3.2)."""


class HostCheck:
    """Allows IP addresses, `localhost`, `names`, and requests that name no host (HTTP/1.0)."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {"localhost", *(name.lower() for name in names)}

    def allows(self, hosts: Sequence[str], target: str) -> bool:
        """Whether a request with these Host headers and this request target is allowed.

        A target in absolute form also names a host (RFC 9112 section 3.2.2); every named host must be allowed. More
        than one Host header is an error of the client (section 3.2).
        """
        named = list(hosts)
        if not target.startswith("/"):
            named.append(_authority(target))
        return len(hosts) <= 1 and all(map(self._allowed, named))

    def _allowed(self, authority: str) -> bool:
        found = _AUTHORITY.fullmatch(authority.strip())
        if found is None:
            return False
        address, name = found.groups()
        host = address or name.removesuffix(".").lower()
        return host in self._names or _is_address(host)


def _authority(target: str) -> str:
    try:
        return urlsplit(target).netloc
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
