"""Creates the login's limits from settings."""

from __future__ import annotations

from collections.abc import Mapping

from radius_voice.config.field_types import Rate
from radius_voice.config.limits import SuccessSettings
from radius_voice.config.prices import shipped_prices
from radius_voice.config.schema import Settings
from radius_voice.config.section import Section
from radius_voice.events import Reason
from radius_voice.login.limits.configured import Limits
from radius_voice.login.limits.costs import Costs
from radius_voice.login.limits.rate_limits import DAY_SECONDS
from radius_voice.login.limits.success import SuccessRule
from radius_voice.login.model import Limit
from radius_voice.wiring.policies import friendly_name_of


def limits_of(settings: Settings) -> Limits:
    """The login's limits."""
    limits = settings.limits
    return Limits(
        failures=_by_scope("wrong_passwords", limits.wrong_passwords, Reason.WRONG_PASSWORD_LIMIT),
        codes=_by_scope("wrong_codes", limits.wrong_codes, Reason.LOCKED),
        calls=_by_scope("calls", limits.calls, Reason.CALL_LIMIT),
        daily=_by_scope("calls_per_day", limits.calls_per_day, Reason.CALL_LIMIT),
        daily_by_country=_by_country("calls_per_day", limits.calls_per_day.countries, Reason.CALL_LIMIT),
        costs=_costs(settings),
        success=_success(limits.success),
        approvals=_by_scope("approvals", limits.approvals, Reason.CALL_LIMIT),
    )


def _success(section: SuccessSettings | None) -> SuccessRule | None:
    if section is None:
        return None
    return SuccessRule(section.floor, section.calls, section.users, section.window, section.digits)


def _costs(settings: Settings) -> Costs | None:
    """The prices and budgets; None if neither prices nor a budget are configured."""
    prices, section = settings.delivery.prices, settings.limits.cost_per_day
    scopes = {"user": section.user, "country": section.country, "total": section.total}
    budgets = {scope: _budget(scope, units) for scope, units in scopes.items() if units is not None}
    by_country = {
        country: None if units is None else _budget(f"countries.{country}", units)
        for country, units in section.countries.items()
    }
    if prices is None and not budgets and not by_country:
        return None
    names = tuple({friendly_name_of(settings, each) for each in settings.user_rules})
    return Costs(prices or shipped_prices(), names, budgets, by_country, settings.delivery.messages)


def _budget(scope: str, units: int) -> Limit:
    return Limit(f"cost_per_day.{scope}", units, DAY_SECONDS, Reason.COST_LIMIT, counts=True)


def _by_scope(name: str, section: Section, reason: Reason) -> dict[str, Limit]:
    return {scope: _limit(f"{name}.{scope}", rate, reason) for scope, rate in section if isinstance(rate, Rate)}


def _by_country(name: str, countries: Mapping[str, Rate | None], reason: Reason) -> dict[str, Limit | None]:
    return {
        country: None if rate is None else _limit(f"{name}.countries.{country}", rate, reason)
        for country, rate in countries.items()
    }


def _limit(name: str, rate: Rate, reason: Reason) -> Limit:
    return Limit(name, rate.count, rate.period, reason)
