"""The maximum daily cost of deliveries under the configured limits, for `check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phonenumbers import country_code_for_region

from radius_voice.config.messages_file import MAX_TEXT_SEGMENTS
from radius_voice.config.prices import shipped_prices
from radius_voice.config.schema import Settings, UserRulesSettings
from radius_voice.login.deliveries.code_message import MAX_SPEECH_SECONDS
from radius_voice.login.limits.costs import UNITS, Prices, minutes

CALLS_OF_A_DAY = 2
"""How many times the calls of `limits.calls_per_day` are available in a day: at first, and refilled during the day."""


def cost_text(settings: Settings) -> str:
    """A text with the maximum cost of a day and the setting that limits it."""
    budget, calls = settings.limits.cost_per_day.total, settings.limits.calls_per_day.total
    limited = {} if budget is None else {"limits.cost_per_day.total": budget}
    if calls is not None:
        limited["limits.calls_per_day.total"] = CALLS_OF_A_DAY * calls.count * _costliest_delivery(settings)
    if not limited:
        return "not limited; limits.cost_per_day.total can limit it"
    key = min(limited, key=lambda each: limited[each])
    return f"at most {limited[key] / UNITS:.2f} {settings.delivery.currency} a day at the configured prices ({key})"


def _costliest_delivery(settings: Settings) -> int:
    """The cost of the most expensive delivery that policies allow, in units."""
    prices = settings.delivery.prices or shipped_prices()
    return max(cost for each in settings.user_rules for cost in _costs(each, prices))


def _costs(rules: UserRulesSettings, prices: Prices) -> Iterator[int]:
    """The maximum cost of a delivery by each method of the rules."""
    for method in rules.methods:
        longest = rules.challenge.ring_timeout + MAX_SPEECH_SECONDS
        units = minutes(longest) if method == "voice" else MAX_TEXT_SEGMENTS
        yield units * max(_prices(prices.by_method[method], rules))


def _prices(by_prefix: Mapping[str, int], rules: UserRulesSettings) -> Iterator[int]:
    """The prices of the numbers that the rules allow. Countries with the same country code have the same prices."""
    if rules.countries is None:
        yield from by_prefix.values()
        return
    for allowed in (*(f"+{country_code_for_region(country)}" for country in rules.countries), *rules.allow_numbers):
        yield by_prefix[max((prefix for prefix in by_prefix if allowed.startswith(prefix)), key=len)]
        yield from (price for prefix, price in by_prefix.items() if prefix.startswith(allowed))
