"""Prices of calls and text messages, from the file that `delivery.prices` names or the one that is shipped."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from pydantic import Field, model_validator

from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import FieldType, path_of
from radius_voice.config.section import KeyProblem, Section
from radius_voice.files.access import WRITE_ACCESS, exposure
from radius_voice.files.reading import read_file
from radius_voice.login.limits.costs import SIP_ADDRESSES, UNITS, Prices
from radius_voice.resources import shipped

COLUMNS = ["prefix", "method", "price"]
METHODS = ("voice", "sms")
PREFIX = re.compile(rf"\+[0-9]{{0,15}}|{SIP_ADDRESSES}")
ANY_NUMBER = "+"
"""The prefix of every number. Its price applies to numbers that no longer prefix matches."""
MAX_AMOUNT = 1_000_000
MAX_FILE_OCTETS = 8 * 1024 * 1024
SHIPPED_CURRENCY = "USD"
AMOUNT = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
NOT_AN_AMOUNT = "not an amount of money; write it like 2.00, with at most four decimals"


def units_of(text: str) -> int:
    """The units of an amount of money: ten-thousandths. Raises ValueError with the fix."""
    units = Decimal(text) * UNITS if AMOUNT.fullmatch(text) else None
    if units is None or units != int(units):
        raise ValueError(NOT_AN_AMOUNT)
    if not 0 <= units <= MAX_AMOUNT * UNITS:
        raise ValueError(f"must be between 0 and {MAX_AMOUNT}")
    return int(units)


def prices_in(text: str, name: str) -> tuple[Prices, list[str]]:
    """The prices in a CSV text with the columns of `COLUMNS`, and its errors as sentences with file, line and fix.

    A line that begins with `#` is a comment. Each method needs a price for `ANY_NUMBER`. `name` is the file's name.
    """
    rows = csv.reader(io.StringIO(text))
    prices: dict[str, dict[str, int]] = {method: {} for method in METHODS}
    errors: list[str] = []
    try:
        for cells in _after_header(rows):
            try:
                _add(prices, cells)
            except ValueError as problem:
                errors.append(f"{name}:{rows.line_num}: {problem}")
    except _NotReadableError as problem:
        return Prices({}), [*errors, f"{name}:{problem.line}: {problem}"]
    lacking = [method for method in METHODS if ANY_NUMBER not in prices[method]]
    return Prices(prices), [*(f"{name}:1: {_missing(method)}" for method in lacking), *errors]


class _NotReadableError(ValueError):
    """The rest of the text cannot be read, from that line on."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def _after_header(rows: Any) -> Iterator[list[str]]:
    """The rows of prices of a CSV reader, without comments. Raises _NotReadableError."""
    has_header = False
    try:
        for row in rows:
            if not row or row[0].startswith("#"):
                continue
            cells = [cell.strip() for cell in row]
            if has_header:
                yield cells
            elif cells != COLUMNS:
                raise _NotReadableError(rows.line_num, f"the first line must be {','.join(COLUMNS)}")
            has_header = True
    except csv.Error:
        raise _NotReadableError(rows.line_num, f"is not CSV; write lines of {','.join(COLUMNS)}") from None


def _missing(method: str) -> str:
    return f"has no {method} price for all other numbers; add a line like {ANY_NUMBER},{method},0.50"


def _add(prices: dict[str, dict[str, int]], cells: list[str]) -> None:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"must have the columns {','.join(COLUMNS)}")
    prefix, method, price = cells
    if not PREFIX.fullmatch(prefix):
        raise ValueError("not a prefix; write + and digits without spaces, like +49 or +4915, or sip:")
    if method not in METHODS:
        raise ValueError(f"the method must be {' or '.join(METHODS)}")
    if prefix in prices[method]:
        raise ValueError(f"{prefix} already has a {method} price; remove one of the two lines")
    prices[method][prefix] = 0  # so that a wrong price is not also reported as a missing one
    prices[method][prefix] = units_of(price)


def _prices(value: Any, context: LoadContext) -> Prices:
    path = path_of(value, context)
    try:
        octets, status = read_file(path, MAX_FILE_OCTETS + 1)
    except OSError as problem:
        raise ValueError(f"{path}: {problem.strerror}; correct the path or create the file") from None
    if len(octets) > MAX_FILE_OCTETS:
        raise ValueError(f"{path} is larger than {MAX_FILE_OCTETS} octets")
    context.text_files.append(path)
    context.file_errors += exposure(path, status, WRITE_ACCESS, None)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = octets.count(b"\n", 0, problem.start) + 1
        context.file_errors.append(f"{path}:{line}: is not UTF-8; save the file as UTF-8")
        return Prices({})
    prices, errors = prices_in(text, str(path))
    context.file_errors += errors
    return prices


PRICES = FieldType(_prices, {"type": "string", "minLength": 1})
"""A file of prices, relative to the file that names it; it becomes Prices."""


@cache
def shipped_prices() -> Prices:
    """The prices that are shipped with the program, in `SHIPPED_CURRENCY`."""
    return prices_in((shipped("config") / "prices.csv").read_text(encoding="utf-8"), "prices.csv")[0]


def _budget(value: Any, _context: LoadContext) -> int | None:
    if value == "off":
        return None
    units = None if isinstance(value, bool) or not isinstance(value, int | float) else units_of(repr(value))
    if units is None:
        raise ValueError("write an amount of money like 20.00, without quotes and currency, or off")
    if units == 0:
        raise ValueError("0 would stop every delivery; write a larger amount, or off")
    return units


BUDGET = FieldType(
    _budget, {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "off"}], "examples": [20.0, "off"]}
)
"""An amount of money, which becomes units, or `off`, which becomes None."""


class PriceSettings(Section):
    """What deliveries cost."""

    prices: Annotated[Prices | None, PRICES] = None
    """A CSV file of prices by prefix and method; by default prices.csv of the program, in US dollars."""
    currency: str = Field(SHIPPED_CURRENCY, pattern="^[A-Z]{3}$", examples=["EUR"])
    """The currency of the prices and of limits.cost_per_day: its ISO 4217 code."""

    @model_validator(mode="after")
    def _currency_of_the_prices(self) -> PriceSettings:
        if self.currency != SHIPPED_CURRENCY and self.prices is None:
            raise KeyProblem(f"the prices of the program are in {SHIPPED_CURRENCY}; name a file in prices", "currency")
        return self
