"""The checks of a Twilio account for `test-credentials`: status, balance, and allowed countries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.twilio.client import TwilioAccount
from radius_voice.twilio.provider import NOT_ALLOWED, TwilioRequests

REQUESTS_AT_ONCE = 8
NO_SUCH_COUNTRY = frozenset({404, 20404})
STATUS_FIXES = {
    "suspended": "look up the reason in the Twilio console; often the balance is used up",
    "closed": "use another account",
}
ANY_COUNTRY = AccountCheck(
    ok=True, text="countries: policies allow any; list those that you need in policies.NAME.countries", checked=False
)

ACCOUNT_NOT_READ = AccountCheck(ok=True, text="account: a key may not read it", checked=False)


async def account_checks(
    requests: TwilioRequests, account: TwilioAccount, listing: Callable[[], Awaitable[Any]], trial: str
) -> list[AccountCheck]:
    """Check the credentials, the account's status and its balance. Raises Unavailable.

    `listing` makes a request that even a restricted API key may make. `trial` says how deliveries of a trial account
    differ.
    """
    if account.by_api_key:
        # An API key cannot read its account.
        await requests.ask(listing())
        checks = [AccountCheck(ok=True, text="API key accepted"), ACCOUNT_NOT_READ]
    else:
        checks = _status_checks(await requests.ask(account.client().api.accounts(account.sid).fetch_async()), trial)
    return [*checks, await _balance_check(requests, account)]


def _status_checks(found: Any, trial: str) -> list[AccountCheck]:
    status = getattr(found, "status", None)
    if status != "active":
        known = status if status in STATUS_FIXES else "not active"
        fix = STATUS_FIXES.get(known, "look its status up in the Twilio console")
        return [AccountCheck(ok=False, text=f"account is {known}; {fix}")]
    if found.type == "Trial":
        return [AccountCheck(ok=True, text=f"account is active; trial account: {trial}")]
    return [AccountCheck(ok=True, text="account is active")]


async def _balance_check(requests: TwilioRequests, account: TwilioAccount) -> AccountCheck:
    found = await requests.ask(account.client().api.account.balance.fetch_async(), NOT_ALLOWED | {404, 20404})
    if found is None:
        return AccountCheck(ok=True, text="balance: the key may not read it, or the service has none", checked=False)
    try:
        balance, currency = float(found.balance), str(found.currency)
    except (TypeError, ValueError):
        return AccountCheck(ok=True, text="balance: response not understood", checked=False)
    if balance > 0:
        return AccountCheck(ok=True, text=f"balance {balance:.2f} {currency}")
    fix = "add funds, unless Twilio sends you invoices; otherwise it refuses calls"
    return AccountCheck(ok=True, text=f"balance {balance:.2f} {currency}; {fix}")


async def country_checks(
    requests: TwilioRequests, account: TwilioAccount, countries: Collection[str], fix: str
) -> list[AccountCheck]:
    """Check that the account may call these countries (ISO 3166); none means all. Raises Unavailable."""
    if not countries:
        return [ANY_COUNTRY]
    gate = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def permission(country: str) -> bool | None:
        async with gate:
            permissions = account.client().voice.v1.dialing_permissions.countries(country)
            found = await requests.ask(permissions.fetch_async(), NOT_ALLOWED | NO_SUCH_COUNTRY)
            return None if found is None else bool(found.low_risk_numbers_enabled)

    ordered = sorted(countries)
    permitted = dict(zip(ordered, await asyncio.gather(*map(permission, ordered)), strict=True))
    names = {answer: ", ".join(each for each in ordered if permitted[each] is answer) for answer in (True, False, None)}
    checks = []
    if names[True]:
        checks.append(AccountCheck(ok=True, text=f"may call {names[True]}"))
    if names[False]:
        checks.append(AccountCheck(ok=False, text=f"may not call {names[False]}; {fix}"))
    if names[None]:
        unknown = f"{names[None]}: the key may not read the permissions, or the service has none"
        checks.append(AccountCheck(ok=True, text=unknown, checked=False))
    return checks
