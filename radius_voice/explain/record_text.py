"""Each record of the audit log as one line of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from radius_voice.explain.audit_lines import Record
from radius_voice.explain.meanings import meaning, short
from radius_voice.login.model import Method
from radius_voice.observe.outcome_texts import OUTCOME_TEXTS

Paint = Callable[[str, str], str]
"""Returns a text in the colour of an outcome or kind of record, the second argument."""
WORD_WIDTH = 11


def plain(text: str, _tone: str) -> str:
    """The text without a colour."""
    return text


def printable(text: str) -> str:
    """The text, with control characters escaped, so that no name can control the terminal."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def record_line(record: Record, paint: Paint = plain) -> str:
    """The record as a line: its time, its outcome or kind, and a text for the kind."""
    kind = str(record.get("kind", ""))
    word, tone = kind.replace("_", " "), kind
    if kind == "request":
        tone = str(record.get("outcome", ""))
        word = OUTCOME_TEXTS.get(tone, tone)
    if kind in WORDS:
        word = WORDS[kind]
    text = TEXTS.get(kind, _other)(record)
    at = printable(str(record.get("at", "")))
    return f"{at}  {paint(f'{printable(word):<{WORD_WIDTH}}', tone)}  {printable(text)}".rstrip()


def delivery_text(record: Record) -> str:
    """The request to the provider, and its result."""
    asked = "call" if record.get("method", Method.VOICE) == Method.VOICE else "send a text message to"
    return f"{record.get('provider')} was asked to {asked} {record.get('phone')}: {words(record, 'result')}"


def call_status_text(record: Record) -> str:
    """The new status of a call or text message."""
    return f"call {record.get('reference')} of {record.get('provider')}: {words(record, 'status')}"


def words(record: Record, key: str) -> str:
    """A value with spaces for underscores."""
    return str(record.get(key, "")).replace("_", " ")


def _request(record: Record) -> str:
    user = record.get("user") or "no known user"
    typed = f" (typed {record['typed_user']})" if record.get("typed_user") else ""
    station = f" from {record['calling_station_id']}" if record.get("calling_station_id") else ""
    repeated = f", {record['repeated']} identical packets" if record.get("repeated") else ""
    reported = _reason("would_reason", record)
    would = f", would be {words(record, 'would_outcome')}: {reported}" if record.get("would_outcome") else ""
    where = f"{user}{typed} at {record.get('client')}{station}"
    return f"{where}: {_reason('reason', record)}{would}{repeated}{_login(record)}"


def _reason(key: str, record: Record) -> str:
    reason = str(record.get(key, ""))
    text = short(meaning(reason, is_discard=record.get("kind") == "discarded"))
    return f"{reason} ({text})" if text else reason


def _login(record: Record) -> str:
    login = record.get("session") or record.get("request_id")
    return f", login {login}" if login else ""


def _delivery(record: Record) -> str:
    detail = "".join(f"; {record[key]}" for key in ("detail", "fix") if record.get(key))
    return f"{delivery_text(record)}{detail}{_login(record)}"


def _call_status(record: Record) -> str:
    return f"{call_status_text(record)}{_login(record)}"


def _discarded(record: Record) -> str:
    client = f" ({record['client']})" if record.get("client") else ""
    counts = record.get("suppressed")
    more = sum(counts.values()) if isinstance(counts, dict) else 0
    before = f", and {more} more before" if more else ""
    return f"datagram of {record.get('client_address')}{client}: {_reason('reason', record)}{_detail(record)}{before}"


def _sessions_expired(record: Record) -> str:
    count = record.get("count")
    return f"{count} login{'' if count == 1 else 's'} without a code"


def _accounting(record: Record) -> str:
    station = f" from {record['calling_station_id']}" if record.get("calling_station_id") else ""
    session = f" of session {record['accounting_session']}" if record.get("accounting_session") else ""
    values = [text.format(record[key]) for key, text in ACCOUNTING_VALUES.items() if record.get(key)]
    cause = [words(record, "terminate_cause")] if record.get("terminate_cause") else []
    what = ", ".join([f"{words(record, 'status')}{session}", *values, *cause])
    return f"{record.get('user') or 'no known user'} at {record.get('client')}{station}: {what}"


def _service(record: Record) -> str:
    return f"{words(record, 'event')}{_detail(record)}"


def _operator(record: Record) -> str:
    by = record.get("by") or "an administrator"
    uid = f" (uid {record['uid']})" if "uid" in record else ""
    user = f"{record.get('user')} of {record.get('identity_source')}"
    return f"{words(record, 'event')} by {by}{uid}: user {user}{_detail(record)}"


def _alarm(record: Record) -> str:
    user = f" of {record['user']}" if record.get("user") else ""
    client = f" at {record['client']}" if record.get("client") else ""
    return f"{words(record, 'alarm')}{user}{client}{_detail(record)}"


def _detail(record: Record) -> str:
    return f": {record['detail']}" if record.get("detail") else ""


def _other(record: Record) -> str:
    """A record of another version."""
    values = ((key, value) for key, value in record.items() if key not in ("kind", "at"))
    return ", ".join(f"{key} {value}" for key, value in values)


ACCOUNTING_VALUES = {
    "framed_address": "address {}",
    "session_seconds": "{} s",
    "input_octets": "{} octets from the user",
    "output_octets": "{} octets to the user",
    "delay": "{} s ago",
}
TEXTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "request": _request,
    "delivery": _delivery,
    "call_status": _call_status,
    "discarded": _discarded,
    "accounting": _accounting,
    "sessions_expired": _sessions_expired,
    "service": _service,
    "operator": _operator,
    "alarm": _alarm,
}
WORDS = {"call_status": "call", "sessions_expired": "expired"}
