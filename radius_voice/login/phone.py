"""Phone numbers: E.164 inside, masked everywhere a person or a log could see them.

The arithmetic of numbering plans is libphonenumber's; the rule which numbers may be called is ours.
"""

from __future__ import annotations

from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberType

from radius_voice.nouns import noun

REFUSED_TYPES = {
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared cost",
    PhoneNumberType.UAN: "universal access",
    PhoneNumberType.PAGER: "pager",
}
SATELLITE_PREFIXES = ("+870", "+881", "+882", "+883", "+888", "+979")


@noun
class Phone:
    """A phone number in E.164 form, `+` and at most 15 digits. Shows itself masked."""

    e164: str

    @property
    def masked(self) -> str:
        """The number with all but the country's first digits and the last two hidden."""
        return f"{self.e164[:3]}{'*' * max(0, len(self.e164) - 5)}{self.e164[-2:]}"

    @property
    def ending(self) -> str:
        """The last two digits, for the prompt."""
        return self.e164[-2:]

    def __repr__(self) -> str:
        return f"Phone({self.masked})"


def parse_phone(text: str, default_region: str | None = None) -> Phone:
    """The number that `text` writes; raises ValueError with the mend when it writes none.

    `default_region` is an ISO 3166 code for numbers written without a country.
    """
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException:
        raise ValueError("not a phone number; write it as +, country code and number, like +14155550123") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("a phone number of impossible length; write it as +, country code and number")
    return Phone(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def country_of(phone: Phone) -> str:
    """The ISO 3166 code of the number's country, or `001` for numbers of no country."""
    return _plan(phone.e164)[0]


def refused_type(phone: Phone) -> str | None:
    """The kind of number that is never dialled (`premium`, `satellite`, ...), or None when it may be."""
    return _plan(phone.e164)[1]


@lru_cache(maxsize=16384)
def _plan(e164: str) -> tuple[str, str | None]:
    """What the numbering plan says of a number: its country, and its kind if that is refused."""
    number = phonenumbers.parse(e164)
    country = phonenumbers.region_code_for_number(number)
    country = country or phonenumbers.region_code_for_country_code(number.country_code or 0)
    if e164.startswith(SATELLITE_PREFIXES):
        return country, "satellite"
    return country, REFUSED_TYPES.get(phonenumbers.number_type(number))
