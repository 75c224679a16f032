"""Phones: numbers in E.164 form and SIP addresses, masked in all output.

Numbering plans are libphonenumber's; the rules for phones that may be called are defined here. See `sip` for addresses.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from msgspec import Struct
from phonenumbers import PhoneNumberType

from radius_voice.login import sip

REFUSED_TYPES = {
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared cost",
    PhoneNumberType.UAN: "universal access",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.VOICEMAIL: "voicemail",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
    PhoneNumberType.UNKNOWN: "invalid",
}
REFUSED_PREFIXES = {
    "+1600": "satellite",  # Canadian NPA 600 NXX Code Assignment Guideline: caller-pays and satellite services
    "+1900": "premium",  # North American Numbering Plan
    "+4470": "personal",  # Ofcom, National Telephone Numbering Plan, part A1: priced by the called party
    "+6114": "satellite",  # Telecommunications Numbering Plan 2015 (Australia)
    "+870": "satellite",  # this and the following: ITU-T, list of E.164 assigned country codes
    "+878": "personal",
    "+881": "satellite",
    "+882": "international network",
    "+883": "international network",
    "+888": "disaster relief",
    "+979": "premium",
}
"""Prefixes that libphonenumber does not know or does not classify, and the numbering plans that define them."""
FICTIONAL = re.compile(r"\+1[2-9]\d\d55501\d\d|\+442079460\d{3}")
"""Numbers reserved for fiction and documentation: 555-0100 to 555-0199 (NANPA), 020 7946 0xxx (Ofcom)."""
_EXTENSION_MARK = r"(?:ext(?:n|ension)?|x|#)"
PHONE_SYNTAX = re.compile(
    r"[+\uff0b]?[\d\s().\u2010-\u2015/-]++"
    rf"((?:[,;][\s,;]*+{_EXTENSION_MARK}?|{_EXTENSION_MARK})[\s.:=]*+(?P<extension>\d{{1,20}})#?)?",
    re.IGNORECASE,
)
"""A number as people write it, and an extension: `ext. 42`, `x42`, `#42`, `,42`, and `;ext=42` of RFC 3966.

Without surrounding white space, and with possessive quantifiers: a user may be able to write any text into a directory,
and a text that the syntax does not match must take linear time.
"""


NOT_A_NUMBER = "not a phone number; write it as +, country code and number, like +14155550123"


class Phone(Struct, frozen=True, gc=False, array_like=True):
    """A phone: a number or a SIP address. Its repr is masked."""

    address: str  # E.164 (`+` and at most 15 digits), or a SIP address
    extension: str = ""  # up to 20 digits, dialled once the number answers

    @property
    def is_sip(self) -> bool:
        """Whether `address` is a SIP address."""
        return self.address.startswith(sip.SCHEMES)

    @property
    def domain(self) -> str:
        """The host of a SIP address, empty for a number."""
        return sip.domain_of(self.address)

    @property
    def text(self) -> str:
        """The phone with its extension, in a form that `parse_phone` reads."""
        return f"{self.address} ext. {self.extension}" if self.extension else self.address

    @property
    def masked(self) -> str:
        """The phone for logs: a number without its middle digits and extension, a SIP address without its user."""
        if self.is_sip:
            return sip.masked(self.address)
        number = f"{self.address[:3]}{'*' * max(0, len(self.address) - 5)}{self.address[-2:]}"
        return f"{number} ext. **" if self.extension else number

    @property
    def ending(self) -> str:
        """The last two digits, or the last two characters of a SIP address's user, for the prompt."""
        return (sip.user_of(self.address) if self.is_sip else self.address)[-2:]

    def __repr__(self) -> str:
        return f"Phone({self.masked})"


NO_PHONE = Phone("")
"""Used where no phone is called."""


def parse_phone(text: str, default_region: str | None = None) -> Phone:
    """The phone in `text`. Raises ValueError with the fix if the whole text is not a number or SIP address.

    Numbers that libphonenumber's data call invalid or of a refused type are accepted: the data may be older than the
    number, and the policy decides which numbers it allows. `default_region` is the ISO 3166 code of the country of
    numbers that are written without a country code.
    """
    text = text.strip()
    if sip.is_sip(text):
        return Phone(sip.parse_sip(text))
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException:
        raise ValueError(NOT_A_NUMBER) from None
    written = PHONE_SYNTAX.fullmatch(text)
    if written is None or written["extension"] != number.extension:  # libphonenumber ignores surplus characters
        raise ValueError(NOT_A_NUMBER)
    if not phonenumbers.is_possible_number(number):
        raise ValueError("a phone number of impossible length; write it as +, country code and number")
    extension = phonenumbers.normalize_digits_only(number.extension or "")
    # libphonenumber would append the extension to the E.164 form
    number.extension = None
    return Phone(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), extension)


def parse_number(text: str) -> Phone:
    """The phone number in `text`. Raises ValueError as `parse_phone` does, and for a SIP address."""
    phone = parse_phone(text)
    if phone.is_sip:
        raise ValueError(NOT_A_NUMBER)
    return phone


def country_of(phone: Phone) -> str:
    """The ISO 3166 code of the number's country, `001` for non-geographic numbers, `sip:DOMAIN` for SIP addresses."""
    return f"sip:{phone.domain}" if phone.is_sip else _plan(phone.address)[0]


def refused_type(phone: Phone) -> str | None:
    """The type of a number that is refused by default (`premium`, `invalid`, ...); None for other phones."""
    return None if phone.is_sip else _plan(phone.address)[1]


class NumberRules(Struct, frozen=True):
    """Which phones may be called. If prefixes of both lists match a number, the longer one decides."""

    countries: frozenset[str] | None = None  # ISO 3166; None: every country
    allowed: tuple[str, ...] = ()  # E.164 numbers and prefixes, of any type and country
    rejected: tuple[str, ...] = ()  # E.164 numbers and prefixes
    sip_domains: frozenset[str] = frozenset()  # the hosts of SIP addresses, in their stored form

    def refusal(self, phone: Phone) -> Refusal | None:
        """Why the phone may not be called; None if it may."""
        if phone.is_sip:
            return None if phone.domain in self.sip_domains else Refusal(f"SIP domain {phone.domain}", "sip_domains")
        allowed, rejected = _longest(phone, self.allowed), _longest(phone, self.rejected)
        if rejected > allowed:
            return Refusal("rejected prefix", "reject_numbers")
        if allowed:
            return None
        country, kind = _plan(phone.address)
        if kind:
            return Refusal(f"{kind} number", "allow_numbers")
        if self.countries is None or country in self.countries:
            return None
        return Refusal(f"country {country}", "countries")


class Refusal(Struct, frozen=True):
    """Why a phone may not be called."""

    text: str  # `premium number`, `country FR`, ...
    key: str  # the key of the policy that decides it


def _longest(phone: Phone, prefixes: tuple[str, ...]) -> int:
    """The length of the longest of these prefixes that matches the number; 0 if none does."""
    if not prefixes or not phone.address.startswith(prefixes):
        return 0
    return max(len(prefix) for prefix in prefixes if phone.address.startswith(prefix))


def is_fictional(phone: Phone) -> bool:
    """Whether the number is reserved for fiction and documentation. No phone rings when it is called."""
    return FICTIONAL.fullmatch(phone.address) is not None


def caution(phone: Phone) -> str | None:
    """A warning if a configured phone may not be callable, with the phone masked; else None."""
    if phone.is_sip:
        return f"{phone.masked} is not called, unless policies.NAME.sip_domains has {phone.domain}"
    kind = refused_type(phone)
    if kind:
        return f"{phone.masked} is not called ({kind} number), unless policies.NAME.allow_numbers allows it"
    return f"{phone.masked} is reserved for fiction and rings no phone" if is_fictional(phone) else None


@lru_cache(maxsize=16384)
def _plan(number: str) -> tuple[str, str | None]:
    """The country of a number, and its type if that type is refused."""
    parsed = phonenumbers.parse(number)
    country = phonenumbers.region_code_for_number(parsed)
    country = country or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    ours = (kind for prefix, kind in REFUSED_PREFIXES.items() if number.startswith(prefix))
    return country, next(ours, REFUSED_TYPES.get(phonenumbers.number_type(parsed)))
