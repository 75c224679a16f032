"""The accounting records of the connection that a login opened at its gateway.

An accounting record does not name a login. The connection is the first one of the same user, client and
Calling-Station-Id that the gateway starts soon after the Access-Accept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from radius_voice.events import Outcome
from radius_voice.explain.audit_filter import AuditFilter
from radius_voice.explain.audit_lines import Record
from radius_voice.explain.audit_search import AuditSearch, time_of
from radius_voice.explain.audit_times import iso, seconds_of

START_SECONDS = 120.0
"""How long after the Access-Accept the gateway may report the start of the connection."""


def accounting_of(path: Path, records: Sequence[Record]) -> list[Record]:
    """The accounting records that follow a login, from its records; none if it was not accepted. Raises OSError."""
    accepted = next((record for record in records if record.get("outcome") == Outcome.ACCEPT), None)
    if accepted is None or not all(map(accepted.get, ("user", "client", "at"))):
        return []
    try:
        started = next(_starts(path, accepted), None)
        return [] if started is None else list(_until_stop(path, started))
    except ValueError:  # `at` of a damaged record is not a time
        return []


def _starts(path: Path, accepted: Record) -> Iterator[Record]:
    since = time_of(accepted)
    until = iso(seconds_of(since) + START_SECONDS)
    wanted = AuditFilter(accepted["user"], accepted["client"], kind="accounting", since=since, until=until)
    station = accepted.get("calling_station_id")
    for record in AuditSearch(path, wanted).records():
        is_same = not station or record.get("calling_station_id") in (None, station)
        if record.get("status") == "start" and record.get("accounting_session") and is_same:
            yield record


def _until_stop(path: Path, started: Record) -> Iterator[Record]:
    """The records of a connection, up to its end."""
    wanted = AuditFilter(client=started["client"], kind="accounting", since=time_of(started))
    for record in AuditSearch(path, wanted).records():
        if record.get("accounting_session") == started["accounting_session"]:
            yield record
            if record.get("status") == "stop":
                return
