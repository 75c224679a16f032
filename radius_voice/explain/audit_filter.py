"""Selects records of the audit log by user, client, result, time and login.

Lines that cannot match are recognised by their octets, before they are decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from radius_voice.events import AuditRecord
from radius_voice.explain.audit_lines import Record, record_of
from radius_voice.login.names import canonical_name

CALL = re.compile(rb'\{"kind": ?"(?:delivery|call_status)",.*?"session": ?"([^"]+)"')
"""The beginning of a record that has the id of its login, but no user or client."""
KINDS = tuple(str(kind.__struct_config__.tag) for kind in AuditRecord.__subclasses__())
"""The kinds of records that the audit log has."""
MAX_LOGINS = 10_000
MAX_CALLS = 100


class AuditFilter(Struct, frozen=True):
    """Which records are wanted. An empty value allows every record.

    `login` is the id of a session, or of a request without one. `would` is the outcome without report
    mode. `since` and `until` are times as in `at`.
    """

    user: str = ""
    client: str = ""
    outcome: str = ""
    reason: str = ""
    kind: str = ""
    login: str = ""
    since: str = ""
    until: str = ""
    would: str = ""

    @property
    def with_calls(self) -> bool:
        """Whether the calls and text messages of the selected logins are selected too."""
        return bool(self.user or self.client) and not any(
            (self.outcome, self.would, self.reason, self.kind, self.login)
        )

    def matches(self, record: Record) -> bool:
        """Whether the record is wanted."""
        return (
            all(not wanted or record.get(key) == wanted for key, wanted in self._equal())
            and (not self.login or self.login in (record.get("session"), record.get("request_id")))
            and (not self.user or self._names_user(record))
            and self.has_time(record)
        )

    def has_time(self, record: Record) -> bool:
        """Whether the record is of the wanted time."""
        at = str(record.get("at", ""))
        return self.since <= at and (not self.until or at <= self.until)

    def _equal(self) -> Iterator[tuple[str, str]]:
        yield "client", self.client
        yield "outcome", self.outcome
        yield "would_outcome", self.would
        yield "reason", self.reason
        yield "kind", self.kind

    def _names_user(self, record: Record) -> bool:
        wanted = canonical_name(self.user)
        return any(canonical_name(str(record.get(key, ""))) == wanted for key in ("user", "typed_user"))

    def prefilter(self) -> Callable[[bytes], bool]:
        """A function that tells from the octets of a line whether it may be a wanted record."""
        values = [value for _, value in self._equal() if value] + ([self.login] if self.login else [])
        needles = [json.dumps(value).encode() for value in values]
        name = canonical_name(self.user)
        written = json.dumps(name).encode()[1:-1] if name.isascii() else b"\\u"

        def may_match(line: bytes) -> bool:
            if not all(needle in line for needle in needles):
                return False
            # Names are compared without case. Escaped letters (\u...) must be decoded first, so such lines pass.
            return not name or written in line.lower() or b"\\u" in line

        return may_match


class Selection:
    """Selects the records of lines, which are in the order of the file or in its reverse.

    `skipped` is the number of lines that are no records. For a filter by user or client, calls and text messages are
    kept until a request of their login shows whether it is wanted.
    """

    def __init__(self, wanted: AuditFilter) -> None:
        self.skipped = 0
        self._wanted = wanted
        self._may_match = wanted.prefilter()
        self._logins: dict[bytes, None] = {}
        self._kept: dict[bytes, list[bytes]] = {}

    def select(self, line: bytes) -> Sequence[Record]:
        """The records that the line selects: its own, and the calls of its login that were kept."""
        if self._wanted.with_calls and (call := CALL.match(line)):
            return self._call(call[1], line)
        if not self._may_match(line):
            self.skipped += _is_damaged(line)
            return ()
        record = self._decoded(line)
        if record is None or not self._wanted.matches(record):
            return ()
        return (record, *self._calls_of(str(record.get("session", "")).encode("ascii", "replace")))

    def _decoded(self, line: bytes) -> Record | None:
        record = record_of(line)
        self.skipped += record is None and bool(line)
        return record

    def _calls_of(self, login: bytes) -> Sequence[Record]:
        """Remember a wanted login; returns its calls that were kept."""
        if not login or not self._wanted.with_calls:
            return ()
        _limit(self._logins)
        self._logins[login] = None
        return [record for line in self._kept.pop(login, ()) for record in self._wanted_call(line)]

    def _call(self, login: bytes, line: bytes) -> Sequence[Record]:
        """The call, if its login is known to be wanted. Otherwise it is kept, up to MAX_CALLS for each login."""
        if login in self._logins:
            return self._wanted_call(line)
        kept = self._kept.get(login)
        if kept is None:
            _limit(self._kept)
            self._kept[login] = [line]
        elif len(kept) < MAX_CALLS:
            kept.append(line)
        return ()

    def _wanted_call(self, line: bytes) -> Sequence[Record]:
        record = self._decoded(line)
        return (record,) if record is not None and self._wanted.has_time(record) else ()


def _limit(logins: dict[bytes, None] | dict[bytes, list[bytes]]) -> None:
    """Forget the oldest login if there are too many."""
    if len(logins) >= MAX_LOGINS:
        del logins[next(iter(logins))]


def _is_damaged(line: bytes) -> bool:
    """Whether a line is certainly no record."""
    return bool(line) and not (line[:1] == b"{" and line[-1:] == b"}")
