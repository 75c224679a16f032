"""The numbers that calls come from: one, and exceptions by the country of the called number. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from radius_voice.login.phone import Phone, country_of


class CallerNumbers(Struct, frozen=True):
    """The caller numbers of a provider."""

    default: Phone
    by_country: Mapping[str, Phone] = {}  # by the country of the called number (ISO 3166)

    def of_call_to(self, phone: Phone) -> Phone:
        """The number that a call to `phone` comes from."""
        return self.by_country.get(country_of(phone), self.default) if self.by_country else self.default

    @property
    def every(self) -> tuple[Phone, ...]:
        """All numbers without duplicates, the default first."""
        return tuple(dict.fromkeys((self.default, *self.by_country.values())))
