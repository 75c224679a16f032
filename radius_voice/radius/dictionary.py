"""The attribute dictionary: encodes a policy's reply attributes, and prints packets for `--debug`.

Dictionaries are in FreeRADIUS syntax. No decision about a packet depends on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from radius_voice.radius.caller_address import AddressAttribute
from radius_voice.radius.copied import AttributeKey
from radius_voice.radius.dictionary_file import CONTAINERS, DefinedAttribute, Vendor, read_dictionary
from radius_voice.radius.encrypted import SALTED, EncryptedAttribute, encrypted_octets, max_plain_octets
from radius_voice.radius.nesting import FoundValue, found_values, in_tlvs, prefix_of, wrapped
from radius_voice.radius.packet import Attribute
from radius_voice.radius.values import Value, encoded_value, like, plain_value, shown_value, tag_octets

REFUSED = {
    "User-Password": "passwords never leave the server",
    "CHAP-Password": "passwords never leave the server",
    "State": "the server makes it",
    "Proxy-State": "the server echoes it",
    "Message-Authenticator": "the server makes it",
    "EAP-Message": "EAP is not supported",
    "Reply-Message": "the server writes it",
    "MS-MPPE-Send-Key": "each login needs a key of its own",
    "MS-MPPE-Recv-Key": "each login needs a key of its own",
}
NOT_COPIED = {
    "User-Password",
    "CHAP-Password",
    "State",
    "Proxy-State",
    "Message-Authenticator",
    "EAP-Message",
    "Reply-Message",
    "CHAP-Challenge",
    "Prompt",
    "User-Name",
}
"""Attributes that are valid only in one exchange of packets."""
HIDDEN = {
    "ARAP-Challenge-Response",
    "ARAP-Password",
    "ARAP-Security-Data",
    "CHAP-Challenge",
    "CHAP-Password",
    "Configuration-Token",
    "EAP-Message",
    "MS-New-ARAP-Password",
    "MS-Old-ARAP-Password",
    "State",
    "Tunnel-Password",
    "User-Password",
}
SHIPPED = (
    "those of the RFCs and of Aruba, Check Point, Cisco, Citrix, F5, Fortinet, Juniper, Meraki, Microsoft, MikroTik "
    "and Palo Alto Networks"
)
NOT_SHIPPED = {
    "Ascend": "ascend",
    "Clavister": "clavister",
    "ERX": "erx",
    "H3C": "h3c",
    "HP": "hp",
    "Hillstone": "hillstone",
    "Huawei": "huawei",
    "LCS": "lancom",
    "NS": "netscreen",
    "Ruckus": "ruckus",
    "SonicWall": "sonicwall",
    "WISPr": "wispr",
    "Zyxel": "zyxel",
    "pfSense": "pfsense",
}
"""Prefix of a vendor's attribute names -> suffix of its dictionary file in FreeRADIUS (`hp`: dictionary.hp)."""
ADDRESS_KINDS = {"string", "ipaddr", "ipv6addr"}

EncodedAttribute: TypeAlias = Attribute | EncryptedAttribute


class AttributeDictionary:
    """The attributes in the file `dictionary` of `folder` and in the files that it includes.

    Raises DictionaryError if the dictionary cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._definitions = read_dictionary(folder / "dictionary")
        self._by_name = self._definitions.by_name
        self._by_key = {
            AttributeKey(vendor, code): known
            for (parent, vendor, code), known in self._definitions.by_place.items()
            if parent is None
        }

    def encode(self, name: str, value: Value) -> list[EncodedAttribute]:
        """Encode one attribute of an Access-Accept; see `encode_all`."""
        return self.encode_all([(name, value)])

    def encode_all(self, values: Iterable[tuple[str, Value]]) -> list[EncodedAttribute]:
        """Encode attributes of an Access-Accept: types, and the octets of the values.

        A name may end in `:TAG`, 0 to 31 (RFC 2868). Values of type octets are text, or `0x` and hexadecimal digits.
        A vendor attribute is put into Vendor-Specific. Adjacent attributes of one TLV are put into one TLV. A value
        that is too long for one attribute is split if its type allows that.

        Raises ValueError with the fix for unknown or forbidden attributes, and for invalid or too long values. The
        message does not quote values of encrypted attributes.
        """
        encoded: list[EncodedAttribute] = []
        plain: list[tuple[DefinedAttribute, bytes]] = []
        for name, value in values:
            known, tag = self._settable(name)
            if known.encryption:
                encoded.append(_encrypted(known, tag, value))
                continue
            plain.append((known, encoded_value(known, tag, value)))
        together = [each for known, octets in in_tlvs(plain) for each in wrapped(known, octets)]
        return [*together, *encoded]

    def is_encrypted(self, name: str) -> bool:
        """Whether the attribute with that name is encrypted in packets."""
        known = self._by_name.get(name)
        return known is not None and bool(known.encryption)

    def key(self, name: str, *, salted: bool = False) -> AttributeKey:
        """The key of an attribute that may be copied to another packet. Raises ValueError with the fix.

        `salted` allows a salt-encrypted attribute, for a copy from one Access-Accept to another.
        """
        known = self._known(name)
        if name in NOT_COPIED or name.startswith("MS-CHAP"):
            raise ValueError(f"{name}: is never copied to another packet; remove it")
        if known.encryption and not (salted and known.encryption == SALTED):
            raise ValueError(f"{name}: is encrypted and cannot be copied to another packet here; remove it")
        return _key(known)

    def address_attribute(self, name: str) -> AddressAttribute:
        """The attribute with that name, which must be able to contain an address. Raises ValueError with the fix."""
        known = self._known(name)
        if _is_hidden(known) or known.kind not in ADDRESS_KINDS:
            raise ValueError(f"{name}: holds no address; name an attribute like Calling-Station-Id")
        return AddressAttribute(_key(known), known.kind == "string", known.tagged)

    def salt_offset(self, key: AttributeKey) -> int | None:
        """The number of octets before the salt in the attribute's value; None if it is not salt-encrypted."""
        known = self._by_key[key]
        return int(known.tagged) if known.encryption == SALTED else None

    def describe(self, attributes: Sequence[Attribute]) -> list[str]:
        """One printable line for each value in the attributes of a packet, without secrets. Never raises."""
        return [_line(found) for found in found_values(self._definitions, attributes)]

    def _settable(self, name: str) -> tuple[DefinedAttribute, str]:
        """The attribute and the tag that a name in a reply rule means. Raises ValueError with the fix."""
        plain, _, tag = name.partition(":")
        known = self._known(plain)
        if plain in REFUSED or plain.startswith("MS-CHAP"):
            reason = REFUSED.get(plain, "MS-CHAP is not supported")
            raise ValueError(f"{plain}: not for reply rules, {reason}; remove it")
        if known.kind in CONTAINERS:
            inner = next((each.name for each in self._by_name.values() if each.parent is known), "none is known")
            raise ValueError(f"{plain}: holds other attributes; name those, like {inner}")
        return known, tag

    def _known(self, name: str) -> DefinedAttribute:
        known = self._by_name.get(name)
        if known is None:
            raise ValueError(f"{name}: {self._unknown(name)}")
        return known

    def _unknown(self, name: str) -> str:
        prefix = name.partition("-")[0]
        vendor = NOT_SHIPPED.get(prefix)
        if vendor and not any(known.startswith(f"{prefix}-") for known in self._by_name):
            fix = (
                f"put dictionary.{vendor} of FreeRADIUS into {self._folder} and include it in the file dictionary there"
            )
            return f"an attribute of a vendor whose dictionary is not shipped; shipped are {SHIPPED}; {fix}"
        return f"no attribute of that name{like(name, self._by_name) or f'; the shipped dictionaries are {SHIPPED}'}"


def _key(known: DefinedAttribute) -> AttributeKey:
    """The key of an attribute that is not nested in another one. Raises ValueError for others."""
    vendor = known.vendor
    if known.parent is not None or vendor != Vendor(vendor.name, vendor.number) or known.kind == "vsa":
        raise ValueError(f"{known.name}: is inside another attribute and cannot be read here; name another one")
    return AttributeKey(vendor.number, known.code)


def _encrypted(known: DefinedAttribute, tag: str, value: Value) -> EncryptedAttribute:
    """Make an encrypted attribute. Error messages do not quote the value."""
    if known.parent is not None or known.vendor.continued:
        raise ValueError(f"{known.name}: an encrypted attribute inside another one cannot be set; remove it")
    plain, tagged = plain_value(known, tag, value), tag_octets(known, tag)
    header = len(prefix_of(known, 0)[1]) + len(tagged)
    most = max_plain_octets(header, known.encryption)
    if len(plain) > most:
        raise ValueError(f"{known.name}: a value is 1 to {most} octets, this one has {len(plain)}")
    octets = len(tagged) + encrypted_octets(plain, known.encryption)
    code, prefix = prefix_of(known, octets)
    return EncryptedAttribute(code, prefix + tagged, plain, known.encryption)


def _is_hidden(known: DefinedAttribute) -> bool:
    return bool(known.encryption) or known.secret or known.name in HIDDEN or known.name.startswith("MS-CHAP")


def _line(found: FoundValue) -> str:
    known, octets = found.attribute, found.octets
    if found.is_malformed:
        # The octets may contain secrets at unknown positions.
        return f"{found.label} = <{len(octets)} octets, malformed>"
    if known is None:
        return f"{found.label} = 0x{octets.hex()}"
    if _is_hidden(known):
        return f"{known.name} = <{len(octets)} octets>"
    tag, text = shown_value(known, octets)
    return f"{known.name}{tag} = {text}"
