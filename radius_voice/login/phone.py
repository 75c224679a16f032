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
"""Prefixes that libphonenumber's data lack or do not refuse, and the numbering plans that define them."""
FICTIONAL = re.compile(r"\+1[2-9]\d\d55501\d\d|\+442079460\d{3}")
"""Numbers for films and documentation, which ring no phone: 555-0100 to 555-0199 (NANPA), 020 7946 0xxx (Ofcom)."""
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
    """A phone: a number in E.164 form, `+` and at most 15 digits, or a SIP address. Its repr is masked.

    `extension` are up to 20 digits that are dialled once the number answers; empty if there are none.
    """

    address: str
    extension: str = ""

    @property
    def is_sip(self) -> bool:
        """Whether the phone has a SIP address and no number."""
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
        """The phone for logs.

        Of a number all but the first and the last two digits are hidden, and the whole extension; of a SIP address the
        user.
        """
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
"""In the place of a phone, where no phone is called."""


def parse_phone(text: str, default_region: str | None = None) -> Phone:
    """The phone in `text`; raises ValueError with the fix if it is neither a number nor a SIP address, or more.

    A number that is invalid or of a refused type in libphonenumber's data is accepted: the data may be older than
    the number, and only a policy knows which numbers it allows. `default_region` is an ISO 3166 code for numbers
    written without a country.
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
    """The phone number in `text`; raises ValueError with the fix as `parse_phone` does, and for a SIP address."""
    phone = parse_phone(text)
    if phone.is_sip:
        raise ValueError(NOT_A_NUMBER)
    return phone


def country_of(phone: Phone) -> str:
    """The ISO 3166 code of the number's country, `001` for numbers of no country.

    For a SIP address, which has no country, `sip:` and the domain.
    """
    return f"sip:{phone.domain}" if phone.is_sip else _plan(phone.address)[0]


def refused_type(phone: Phone) -> str | None:
    """The type of a number that may not be called (`premium`, `invalid`, ...), None for other phones."""
    return None if phone.is_sip else _plan(phone.address)[1]


class NumberRules(Struct, frozen=True):
    """Which phones may be called.

    `countries` is None if every country may be called. `allowed` are E.164 numbers and prefixes that are called
    whatever their type and country, and `rejected` those that are not called. The longest one that matches applies.
    For SIP addresses only `sip_domains` counts, which has their hosts as they are stored.
    """

    countries: frozenset[str] | None = None
    allowed: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    sip_domains: frozenset[str] = frozenset()

    def refusal(self, phone: Phone) -> Refusal | None:
        """Why a phone is not called, None if it is called."""
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
    """Why a phone is not called: `text` (`premium number`, `country FR`), and the key of the rules that decides it."""

    text: str
    key: str


def _longest(phone: Phone, prefixes: tuple[str, ...]) -> int:
    """The length of the longest prefix that the number has, 0 if it has none of them."""
    if not prefixes or not phone.address.startswith(prefixes):
        return 0
    return max(len(prefix) for prefix in prefixes if phone.address.startswith(prefix))


def is_fictional(phone: Phone) -> bool:
    """Whether the number is reserved for fiction and documentation. A call to it costs nothing and rings no phone."""
    return FICTIONAL.fullmatch(phone.address) is not None


def caution(phone: Phone) -> str | None:
    """A warning about a configured phone that may not be called, with the phone masked, or None."""
    if phone.is_sip:
        return f"{phone.masked} is not called, unless policies.NAME.sip_domains has {phone.domain}"
    kind = refused_type(phone)
    if kind:
        return f"{phone.masked} is not called ({kind} number), unless policies.NAME.allow_numbers allows it"
    return f"{phone.masked} is reserved for fiction and rings no phone" if is_fictional(phone) else None


@lru_cache(maxsize=16384)
def _plan(number: str) -> tuple[str, str | None]:
    """The country of a number, and its type if that is refused, by its numbering plan."""
    parsed = phonenumbers.parse(number)
    country = phonenumbers.region_code_for_number(parsed)
    country = country or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    ours = (kind for prefix, kind in REFUSED_PREFIXES.items() if number.startswith(prefix))
    return country, next(ours, REFUSED_TYPES.get(phonenumbers.number_type(parsed)))
