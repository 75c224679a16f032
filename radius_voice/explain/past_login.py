"""The timeline of a past login: the records of its session as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from radius_voice.events import Outcome, SecondFactorMode
from radius_voice.explain.audit_lines import Record
from radius_voice.explain.meanings import RESPONSES, meaning
from radius_voice.explain.record_text import Paint, call_status_text, delivery_text, plain, printable, record_line

PlaceOf = Callable[[str], str]
"""Returns the place of a rule in the configuration. Its argument is the `rule` of a record."""
RESPONSE = "  -> "
RULE_KEYS = ("rule", "place", "rule_reason")
NO_RESULT = "The audit log has no final result: the login is open, or it ended without a right code."


def explained(record: Record, place_of: PlaceOf | None = None) -> dict[str, Any]:
    """The record, with `meaning` if it has a known reason, and the `place` of its rule if it has one."""
    text = meaning(str(record.get("reason", "")), is_discard=record.get("kind") == "discarded")
    rule = str(record.get("rule", ""))
    place = place_of(rule) if place_of is not None and rule else ""
    return {**record, **({"meaning": text} if text else {}), **({"place": place} if place else {})}


def timeline(
    login: str, records: Sequence[Record], place_of: PlaceOf | None = None, paint: Paint = plain
) -> Iterator[str]:
    """The lines that show the records of a login, which are in the order of their times.

    `place_of` is None if the configuration is not known. Control characters are escaped.
    """
    requests = [record for record in records if record.get("kind") == "request"]
    user = next((record["user"] for record in requests if record.get("user")), "")
    client = next((record["client"] for record in requests if record.get("client")), "")
    yield printable(
        f"login {login}" + (f" of {user}" if user else "") + (f" through client {client}" if client else "")
    )
    for record in records:
        yield ""
        tone = str(record.get("outcome", ""))
        for line in map(printable, _record_lines(explained(record, place_of))):
            yield paint(line, tone) if line.startswith(RESPONSE) else line
    is_one_request = any(record.get("request_id") for record in requests)
    if not is_one_request and not any(record.get("outcome") in (Outcome.ACCEPT, Outcome.REJECT) for record in requests):
        yield ""
        yield NO_RESULT


def _record_lines(record: Record) -> Iterator[str]:
    at, kind = record.get("at", ""), record.get("kind")
    if kind == "request":
        yield f"{at}  {_packet(record)}"
        yield from map(_step, record.get("steps", ()))
        yield f"{RESPONSE}{_response(record)}"
        yield from _further(record)
    elif kind == "delivery":
        yield f"{at}  {delivery_text(record)}"
        yield from (f"  {key}: {record[key]}" for key in ("reference", "detail", "fix") if record.get(key))
    elif kind == "call_status":
        yield f"{at}  {call_status_text(record)}"
    else:
        yield record_line(record)


def _further(record: Record) -> Iterator[str]:
    """The result without report mode, the rule that decided, and how long the login took."""
    if record.get("would_outcome"):
        yield f"  without report mode: {_result(record, 'would_outcome', 'would_reason')}"
    yield from (f"  {key.replace('_', ' ')}: {record[key]}" for key in RULE_KEYS if record.get(key))
    if record.get("login_seconds"):
        yield f"  the login took {record['login_seconds']} s"


def _packet(record: Record) -> str:
    """The kind and origin of the packet: a request, a response to a challenge, or one of two passes."""
    is_response = any(step.get("name") == "response" for step in record.get("steps", ()))
    parts = [f"request {record.get('identifier')} from {record.get('client_address')}"]
    if record.get("second_factor") == SecondFactorMode.TWO_PASS:
        parts.append("second pass" if is_response else "first pass")
    elif is_response:
        parts.append("response to a challenge")
    if record.get("calling_station_id"):
        parts.append(f"Calling-Station-Id {record['calling_station_id']}")
    if record.get("repeated"):
        parts.append(f"{record['repeated']} identical packets")
    return ", ".join(parts)


def _step(step: Record) -> str:
    detail = f": {step['detail']}" if step.get("detail") else ""
    return f"  {step.get('after', 0) * 1000:9.1f} ms  {step.get('name')}{detail}"


def _response(record: Record) -> str:
    if (record.get("outcome"), record.get("second_factor")) == (Outcome.CHALLENGE, SecondFactorMode.TWO_PASS):
        return _result({**record, "outcome": "Access-Reject that asks for password and code"}, "outcome", "reason")
    return _result(record, "outcome", "reason")


def _result(record: Record, outcome: str, reason: str) -> str:
    text = meaning(str(record.get(reason, "")))
    response = RESPONSES.get(record.get(outcome, ""), record.get(outcome))
    return f"{response}: {record.get(reason, '')}" + (f" ({text})" if text else "")
