"""SIP addresses of phones (RFC 3261 section 19.1), such as desk phones behind a PBX. Pure.

An address consists of a user, a host, and optionally a port and a transport. Everything else that a SIP URI may contain
is refused: a password, headers, other parameters and percent-encoding. Addresses are stored in a normal form, with the
host in lower case or as a normalized IP address, so that equivalent addresses are equal. The user is case-sensitive
(section 19.1.4).
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

SCHEMES = ("sip:", "sips:")
MAX_LENGTH = 254
"""Twilio requires fewer than 255 characters."""
MAX_PORT = 65535
MAX_HOST_LENGTH = 253

SYNTAX = re.compile(
    r"(?P<scheme>sips?):(?P<user>[a-z0-9+_][a-z0-9+_.-]{0,63})@(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)"
    r"(:(?P<port>[1-9][0-9]{0,4}))?(;transport=(?P<transport>udp|tcp|tls))?",
    re.IGNORECASE | re.ASCII,
)
PARTS = re.compile(r"(?P<scheme>sips?:)(?P<user>[^@]+)@(?P<place>(?P<host>\[[^]]+\]|[^:;]+).*)")
"""The parts of an address in its stored form."""
IPV6 = re.compile(r"\[[0-9a-f:.]+\]")
LABEL = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

EXAMPLE = "write it like sip:3105@pbx.example.org, and with a port or ;transport=tls if the PBX needs them"
NOT_A_HOST = "not the name or IP address of a host; write it like pbx.example.org"


def is_sip(text: str) -> bool:
    """Whether a text begins like a SIP address."""
    return text[: len("sips:")].lower().startswith(SCHEMES)


def parse_sip(text: str) -> str:
    """The SIP address in `text`, in its stored form. Raises ValueError with the fix, without quoting `text`."""
    found = SYNTAX.fullmatch(text)
    if found is None or len(text) > MAX_LENGTH:
        raise ValueError(f"not a SIP address that is called: {_problem(text)}; {EXAMPLE}")
    scheme, port, transport = found["scheme"].lower(), found["port"], (found["transport"] or "").lower()
    if int(port or 1) > MAX_PORT:
        raise ValueError(f"a SIP address with a port above {MAX_PORT}; write the port of the PBX, or none")
    if scheme == "sips" and transport == "udp":
        raise ValueError("sips: is SIP over TLS, which cannot use UDP; write sip:, or remove ;transport=udp")
    place = parse_host(found["host"]) + (f":{port}" if port else "")
    return f"{scheme}:{found['user']}@{place}{f';transport={transport}' if transport else ''}"


def parse_host(text: str) -> str:
    """The host name or IP address in `text`, in its stored form: IPv6 addresses in brackets. Raises ValueError."""
    host = text.lower()
    try:
        if IPV6.fullmatch(host):
            return f"[{IPv6Address(host[1:-1])}]"
        labels = host.split(".")
        if labels[-1].isdecimal():  # a name cannot end in a number (RFC 3261 section 25.1, toplabel)
            return str(IPv4Address(host))
    except AddressValueError:
        raise ValueError(NOT_A_HOST) from None
    if len(host) > MAX_HOST_LENGTH or not all(map(LABEL.fullmatch, labels)):
        raise ValueError(NOT_A_HOST)
    return host


def user_of(address: str) -> str:
    """The user of a stored address."""
    return _part(address, "user")


def domain_of(address: str) -> str:
    """The host of a stored address, without the port."""
    return _part(address, "host")


def masked(address: str) -> str:
    """A stored address with the user hidden except for its first characters, at most two and at most half of them."""
    user = user_of(address)
    shown = user[: min(2, len(user) // 2)]
    return f"{_part(address, 'scheme')}{shown}{'*' * (len(user) - len(shown))}@{_part(address, 'place')}"


def _part(address: str, name: str) -> str:
    found = PARTS.fullmatch(address)
    return found[name] if found else ""


def _problem(text: str) -> str:
    """Why an address is refused."""
    user, at, rest = text.partition(":")[2].partition("@")
    if len(text) > MAX_LENGTH:
        return f"it has more than {MAX_LENGTH} characters"
    if at and ":" in user:
        return "it has a password, which belongs to the settings of the provider"
    if "?" in text:
        return "it has headers"
    if re.search(r";(?!transport=)", rest, re.IGNORECASE):
        return "it has a parameter other than transport"
    return "it has another syntax"
