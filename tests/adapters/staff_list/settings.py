"""The section of an identity source that only tests have."""

from typing import Literal

from pydantic import Field

from radius_voice.config.adapters import IdentitySection
from radius_voice.config.field_types import PhoneNumber


class StaffListSettings(IdentitySection):
    """Users with one phone and one password."""

    type: Literal["staff-list"]
    """The type of the source."""
    names: list[str] = Field(min_length=1)
    """The names of the users."""
    phone: PhoneNumber
    """The phone of every user."""
    password: str
    """The password of every user."""
