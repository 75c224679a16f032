"""Makes names and texts of the imported file safe for the new configuration and its comments."""

from __future__ import annotations

import re

from radius_voice.config.profiles import ProfileName

MAX_NAME = 40
MAX_SHOWN = 80
DEFAULT_NAME = "gateway"
VENDORS: dict[int, ProfileName] = {
    9: "cisco-asa",
    311: "windows-rras",
    3375: "f5",
    5951: "netscaler",
    12356: "fortigate",
    14988: "mikrotik",
    25461: "palo-alto",
    29671: "meraki",
}
"""Profiles by the enterprise number of the gateway's vendor (IANA)."""
WORDS: dict[str, ProfileName] = {
    "forti": "fortigate",
    "palo": "palo-alto",
    "meraki": "meraki",
    "mikrotik": "mikrotik",
    "netscaler": "netscaler",
    "citrix": "netscaler",
    "f5": "f5",
    "big-?ip": "f5",
    "openvpn": "openvpn",
    "pfsense": "pfsense",
    "opnsense": "pfsense",
    "strongswan": "strongswan",
    "rras": "windows-rras",
    "rd-?gateway": "rd-gateway",
    "asa": "cisco-asa",
    "cisco": "cisco-asa",
}
"""Profiles by a word in the name or the kind of the gateway."""


def printable(text: str) -> str:
    """The text in one line, with `?` in place of characters that cannot be printed."""
    return "".join(each if each.isprintable() else "?" for each in " ".join(text.split()))


def readable_word(text: str) -> str:
    """The beginning of a text that is no secret, in one line."""
    line = printable(text)
    return line if len(line) <= MAX_SHOWN else f"{line[:MAX_SHOWN]}..."


def name_from(text: str) -> str:
    """A name that the configuration allows, as near to `text` as possible."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_NAME].strip("-") or DEFAULT_NAME


class Names:
    """Creates unique names."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}

    def take(self, text: str) -> str:
        """A name like `text` that no earlier call has returned."""
        base = name = name_from(text)
        while name in self._uses:
            self._uses[base] += 1
            name = f"{base}-{self._uses[base]}"
        self._uses[name] = 1
        return name


def profile_for(*texts: str, vendor: int = 0) -> ProfileName | None:
    """The profile that a gateway may have, by its vendor or by words in `texts`, or None."""
    if vendor in VENDORS:
        return VENDORS[vendor]
    for text in texts:
        for word, profile in WORDS.items():
            if re.search(rf"(?<![a-z0-9]){word}", text.lower()):
                return profile
    return None
