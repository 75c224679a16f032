"""Types of values in the file: durations, rates, phone numbers, countries, paths.

A `FieldType` is put into `Annotated`. It converts a YAML value to a setting, or raises ValueError with the fix. No
message repeats a value that could be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from phonenumbers import SUPPORTED_REGIONS
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from radius_voice.config.context import LoadContext, context_of
from radius_voice.login.phone import Phone, parse_number
from radius_voice.login.sip import parse_host

JsonSchema: TypeAlias = dict[str, Any]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = r"[0-9]{1,9}(\.[0-9]{1,3})?[smhd]"
RATE = rf"([1-9][0-9]{{0,6}}) per ({DURATION})"
DAY = 86400.0


@dataclass(frozen=True, slots=True, eq=False)
class FieldType:
    """Converts a YAML value with `read`; `schema` is its JSON Schema, for editors."""

    read: Callable[[Any, LoadContext], Any]
    schema: JsonSchema

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: Any, info: ValidationInfo) -> Any:
            return self.read(value, context_of(info))

        return core_schema.with_info_plain_validator_function(read)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchema:
        return dict(self.schema)


class OneOrMany:
    """For a list type: a single item is read as a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def listed(value: Any) -> Any:
            return value if isinstance(value, list) else [value]

        return core_schema.no_info_before_validator_function(listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def require_text(value: Any) -> str:
    """`value` if it is text; raises ValueError with the fix."""
    match value:
        case str():
            return value
        case bool() | int() | float():
            raise ValueError("YAML reads this as a number or a truth value, not as text; put it in quotes")
        case None:
            raise ValueError("has no value; give it one or remove the key")
        case dict():
            raise ValueError("must be text; put a text that ends in a colon, or holds a colon and a space, in quotes")
        case _:
            raise ValueError("must be text")


def seconds_of(text: str) -> float:
    """The seconds of a duration like `2m` or `2.5s`; raises ValueError with the fix."""
    if not re.fullmatch(DURATION, text):
        raise ValueError("not a duration; write a number and its unit s, m, h or d, like 30s, 2.5s or 24h")
    return float(text[:-1]) * UNITS[text[-1]]


def duration_text(seconds: float) -> str:
    """A duration in the syntax of the file."""
    for unit in ("d", "h", "m"):
        if seconds >= UNITS[unit] and seconds % UNITS[unit] == 0:
            return f"{seconds / UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"


def duration(minimum: float, maximum: float) -> FieldType:
    """A duration between `minimum` and `maximum` seconds; it becomes float seconds."""

    def read(value: Any, _context: LoadContext) -> float:
        match value:
            case bool():
                pass
            case int() | float():
                raise ValueError("a duration needs its unit; write 30s or 2m, not a bare number")
        seconds = seconds_of(require_text(value))
        if not minimum <= seconds <= maximum:
            raise ValueError(f"must be between {duration_text(minimum)} and {duration_text(maximum)}")
        return seconds

    return FieldType(read, {"type": "string", "pattern": f"^{DURATION}$", "examples": ["30s", "2m"]})


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` events in `period` seconds."""

    count: int
    period: float


def rate(example: str, *, daily: bool = False) -> FieldType:
    """`N per DURATION`, which becomes a Rate, or `off`, which becomes None. `daily`: the duration must be a day."""
    fix = f"write it like {example!r}, or off"

    def read(value: Any, _context: LoadContext) -> Rate | None:
        if value == "off":
            return None
        found = re.fullmatch(RATE, value) if isinstance(value, str) else None
        if found is None:
            raise ValueError(f"not a limit; {fix}")
        period = seconds_of(found[2])
        if daily and period != DAY:
            raise ValueError(f"the period of this limit is a day; {fix}")
        if not 1 <= period <= 31 * DAY:
            raise ValueError("the period of a limit must be between 1s and 31d")
        return Rate(int(found[1]), period)

    return FieldType(read, {"type": "string", "pattern": f"^({RATE}|off)$", "examples": [example, "off"]})


def _calls_per_second(value: Any, _context: LoadContext) -> float | None:
    if value == "off":
        return None
    least, most = CALLS_PER_SECOND_RANGE
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"write a number from {least:g} to {most:g}, like 1 or 0.5, or off")
    return float(value)


CALLS_PER_SECOND_RANGE = (0.1, 1000.0)
CALLS_PER_SECOND = FieldType(
    _calls_per_second,
    {
        "anyOf": [
            {"type": "number", "minimum": CALLS_PER_SECOND_RANGE[0], "maximum": CALLS_PER_SECOND_RANGE[1]},
            {"const": "off"},
        ],
        "examples": [1, 0.5, "off"],
    },
)
"""A number of calls a second, or `off`, which becomes None."""


def path_of(value: Any, context: LoadContext) -> Path:
    """The path in `value`, relative to the file's directory."""
    text = require_text(value)
    if not text or not text.isprintable():
        raise ValueError("not a path; write one without control characters, and not an empty one")
    if text.startswith("~"):
        raise ValueError("~ is not expanded here; write the whole path")
    return context.directory / text


def _path_or_stdout(value: Any, context: LoadContext) -> Path | None:
    return None if value == "-" else path_of(value, context)


PATH = FieldType(path_of, {"type": "string", "minLength": 1})
"""A path, relative to the file that names it."""
PATH_OR_STDOUT = FieldType(_path_or_stdout, {"type": "string", "minLength": 1})
"""A path, or `-` for standard output, which becomes None."""


def _phone(value: Any, _context: LoadContext) -> Phone:
    phone = parse_number(require_text(value))
    if phone.extension:
        raise ValueError("a caller's number has no extension; write the number without it")
    return phone


PHONE = FieldType(_phone, {"type": "string", "pattern": r"^\+", "examples": ["+14155550123"]})
"""A phone number in international form, without an extension; it becomes a Phone."""
PhoneNumber: TypeAlias = Annotated[Phone, PHONE, PlainSerializer(lambda phone: phone.masked)]


NUMBER = r"\+[1-9][0-9]{3,14}"


def _number_prefix(value: Any, _context: LoadContext) -> str:
    text = require_text(value)
    if not re.fullmatch(NUMBER, text):
        raise ValueError(
            "not a number or prefix; write + and 4 to 15 digits without spaces, like +4915 or +12025550123"
        )
    return text


NUMBER_PREFIX = FieldType(
    _number_prefix, {"type": "string", "pattern": f"^{NUMBER}$", "examples": ["+4915", "+12025550123"]}
)
"""An E.164 number or the beginning of one; it stays text."""


def _sip_domain(value: Any, _context: LoadContext) -> str:
    return parse_host(require_text(value))


SIP_DOMAIN = FieldType(_sip_domain, {"type": "string", "minLength": 1, "examples": ["pbx.example.org"]})
"""The host of SIP addresses, a name or an IP address; it stays text, as addresses have it."""


COUNTRY_CODE_CORRECTIONS = {
    "EL": "GR",
    "EN": "GB",
    "UK": "GB",
    "CAN": "CA",
    "DEU": "DE",
    "ESP": "ES",
    "FRA": "FR",
    "GBR": "GB",
    "GER": "DE",
    "IRL": "IE",
    "SUI": "CH",
    "USA": "US",
}
"""Common wrong country codes, and the ISO 3166 codes that are meant."""


def _countries(value: Any, _context: LoadContext) -> frozenset[str] | None:
    if value == "any":
        return None
    if not isinstance(value, list) or not value:
        raise ValueError("write a list of countries, like [US, GB], or any")
    wrong = [_not_a_country(code) for code in value if not isinstance(code, str) or code not in SUPPORTED_REGIONS]
    if wrong:
        raise ValueError(
            f"{', '.join(dict.fromkeys(wrong))}; write ISO 3166 codes of two capital letters, like [US, GB]"
        )
    return frozenset(value)


def _not_a_country(code: Any) -> str:
    if not isinstance(code, str) or not re.fullmatch("[A-Za-z]{2,3}", code):
        return "holds an item that is not a country code"
    meant = COUNTRY_CODE_CORRECTIONS.get(code.upper(), code.upper())
    return f"{code} is not a country code{f' (did you mean {meant}?)' if meant in SUPPORTED_REGIONS else ''}"


CODES = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^[A-Z]{2}$"}}
COUNTRIES = FieldType(_countries, {"anyOf": [{"const": "any"}, CODES], "examples": [["US", "GB"]]})
"""`any`, which becomes None, or a list of ISO 3166 codes."""


def _region(value: Any, _context: LoadContext) -> str:
    text = require_text(value)
    if text not in SUPPORTED_REGIONS:
        raise ValueError("not a country; write an ISO 3166 code of two capital letters, like US or GB")
    return text


def _region_or_domain(value: Any, context: LoadContext) -> str:
    text = require_text(value)
    return f"sip:{parse_host(text[4:])}" if text.startswith("sip:") else _region(text, context)


REGION_OR_DOMAIN = FieldType(
    _region_or_domain, {"type": "string", "pattern": "^([A-Z]{2}|sip:.+)$", "examples": ["US", "sip:pbx.example.org"]}
)
"""A subject of limits by country: an ISO 3166 code, or `sip:` and the host of SIP addresses; it stays text."""
REGION = FieldType(_region, {"type": "string", "pattern": "^[A-Z]{2}$", "examples": ["US"]})
"""An ISO 3166 code; it stays text."""


def _moment(value: Any, _context: LoadContext) -> float:
    fix = "write date, time and zone, like 2026-01-31T18:00:00+01:00"
    text = require_text(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"not a time; {fix}") from None
    if moment.tzinfo is None:
        raise ValueError(f"the time has no zone; {fix}")
    return moment.timestamp()


TIMESTAMP = FieldType(_moment, {"type": "string", "format": "date-time", "examples": ["2026-01-31T18:00:00+01:00"]})
"""A date and time with its zone; it becomes wall-clock seconds."""
