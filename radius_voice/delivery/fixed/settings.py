"""The section of a provider of type `fixed`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from radius_voice.config.adapters import ProviderSection, RuleContext
from radius_voice.config.section import Diagnostic


class FixedSettings(ProviderSection):
    """Places no calls; the code is always the same. For benchmarks, under development: true only."""

    LOOPBACK_CLIENTS_ONLY: ClassVar[bool] = True
    ANNOUNCEMENT: ClassVar[str] = "places no calls, and every code is the same"

    type: Literal["fixed"]
    """The type of the provider."""
    code: str = Field(pattern="^[0-9]{4,10}$", repr=False, examples=["123456"])
    """The code, in quotes."""

    def hidden_value(self, field: str) -> Any:
        """The code is not shown."""
        return "<code>" if field == "code" else super().hidden_value(field)

    @property
    def fixed_code(self) -> str:
        """The code of every login."""
        return self.code

    def errors(self, context: RuleContext) -> Iterator[Diagnostic]:
        """It requires `development`, and a code with as many digits as every policy requires."""
        if not context.development:
            yield ("type",), "fixed places no calls and requires development: true"
        for policy, digits in context.code_digits.items():
            if digits != len(self.code):
                yield ("code",), f"must have as many digits as policy {policy} requires: {digits}"
