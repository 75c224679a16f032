"""Names in LDAP: values in filters (RFC 4515) and distinguished names (RFC 4514). Pure."""

from __future__ import annotations

import re
from unicodedata import normalize

PLACEHOLDER = "{user}"
_UNESCAPED = re.compile(rb"[A-Za-z0-9]")
_PAIR = re.compile(r"\\(?:([0-9a-fA-F]{2})|(.))", re.DOTALL)
_PAIRS = re.compile(r"(?:\\[0-9a-fA-F]{2})+|\\.", re.DOTALL)
_PARTS = re.compile(r"(?:\\.|[^,\\])+", re.DOTALL)
_RDN = re.compile(r"\s*[A-Za-z0-9.-]+\s*=\s*((?:\\.|[^,+\\])*)", re.DOTALL)


def typed_name(name: str) -> str:
    """A typed user name in NFC, without surrounding white space. Directories have their own further rules."""
    return normalize("NFC", name.strip())


def filter_value(value: str | bytes) -> str:
    """Escape a value for a filter: every octet except letters and digits."""
    octets = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return "".join(chr(octet) if _UNESCAPED.match(bytes((octet,))) else f"\\{octet:02x}" for octet in octets)


def rdn_value(value: str) -> str:
    """Escape a value for a distinguished name: every octet except letters and digits."""
    return filter_value(value)


def with_user(template: str, value: str) -> str:
    """The template with `value` in place of `{user}`."""
    return template.replace(PLACEHOLDER, value)


def is_dn(template: str) -> bool:
    r"""Whether a template for binds is a distinguished name; otherwise it is a UPN or DOMAIN\user."""
    return _RDN.match(template) is not None


def first_value(dn: str) -> str:
    r"""The value of the first RDN, unescaped: `VPN, all` of `CN=VPN\, all,OU=Groups,DC=example`. Empty if none."""
    found = _RDN.match(dn)
    return _PAIRS.sub(_unescaped, found[1].rstrip()) if found else ""


def is_below(dn: str, base: str) -> bool:
    """Whether an entry is in the subtree of `base`."""
    entry, above = _rdns(dn), _rdns(base)
    return entry[-len(above) :] == above


def _unescaped(found: re.Match[str]) -> str:
    octets = b"".join(bytes.fromhex(pair[1]) if pair[1] else pair[2].encode() for pair in _PAIR.finditer(found[0]))
    return octets.decode("utf-8", "replace")


def _rdns(dn: str) -> list[str]:
    return [re.sub(r"\s*=\s*", "=", rdn.strip(), count=1).casefold() for rdn in _PARTS.findall(dn)]
