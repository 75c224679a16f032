"""docs/observing.md documents every record, key, reason and metric."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from radius_voice.events import (
    AccountingRecord,
    Alarm,
    AlarmRecord,
    CallStatusRecord,
    DeliveryOutcome,
    Discard,
    DiscardRecord,
    EventRecord,
    ExpiryRecord,
    OperatorRecord,
    Outcome,
    PlacementRecord,
    Reason,
    RequestRecord,
    ServiceRecord,
)
from radius_voice.login.model import CallStatus, Method
from radius_voice.observe.audit import AuditLog
from radius_voice.observe.metrics import Metrics, ProviderEvents, Readings
from tests.observe import records

PAGE = (Path(__file__).parents[2] / "docs" / "observing.md").read_text()
FULL: dict[str, tuple[type, EventRecord]] = {
    "request": (RequestRecord, records.REQUEST),
    "delivery": (PlacementRecord, records.CALL),
    "call_status": (CallStatusRecord, records.FOLLOWED),
    "discarded": (DiscardRecord, records.DISCARDED),
    "accounting": (AccountingRecord, records.ACCOUNTED),
    "sessions_expired": (ExpiryRecord, records.ENDED),
    "service": (ServiceRecord, records.LIFECYCLE),
    "alarm": (AlarmRecord, records.ALARM),
    "operator": (OperatorRecord, records.OPERATED),
}


def section(title: str) -> str:
    """The text under the heading that starts with `title`, up to the next heading."""
    found = re.search(rf"^##+ {re.escape(title)}(?::[^\n]*)?\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/observing.md has no section {title}"
    return found.group(1)


def table(title: str) -> dict[str, str]:
    """The section's table: what its first column names, and the rest of the row."""
    return dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", section(title), re.MULTILINE))


def written(path: Path, *given: EventRecord) -> dict[str, Any]:
    """The last line of an audit log of the given records."""
    seconds = iter(range(100))
    audit = AuditLog(path, lambda: 10.0 * next(seconds), print)
    for record in given:
        audit(record)
    audit.close()
    line: dict[str, Any] = json.loads(path.read_text().splitlines()[-1])
    return line


@pytest.mark.parametrize("kind", FULL)
def test_every_key_of_a_record_is_documented_and_no_other(tmp_path, kind):
    documented = set(table(f"`{kind}`"))
    suppressed = {"suppressed"} if kind == "discarded" else set()

    line = written(tmp_path / "audit.jsonl", FULL[kind][1])

    assert kind == line["kind"]
    assert documented == set(line) | suppressed


def test_the_suppressed_count_of_discards_is_documented(tmp_path):
    now = [0.0]
    audit = AuditLog(tmp_path / "a", lambda: now[0], print)
    audit(records.DISCARDED)
    audit(records.DISCARDED)
    now[0] = 1.0
    audit(records.DISCARDED)
    audit.close()

    assert set(table("`discarded`")) == set(json.loads((tmp_path / "a").read_text().splitlines()[-1]))


@pytest.mark.parametrize("kind", FULL)
def test_every_field_of_an_event_reaches_the_audit_log(tmp_path, kind):
    fields, record = FULL[kind]

    line = written(tmp_path / "audit.jsonl", record)

    assert {field.name for field in msgspec.structs.fields(fields)} - {"packet", "suppressed"} == set(line) - {"kind"}


def test_every_key_of_a_step_is_documented(tmp_path):
    keys = {key for step in written(tmp_path / "a", records.REQUEST)["steps"] for key in step}

    assert keys <= set(re.findall(r"`(\w+)`", table("`request`")["steps"]))


def test_every_reason_is_documented_and_no_other():
    assert set(Reason) == set(table("Reasons"))


def test_every_alarm_is_documented_and_no_other():
    assert set(Alarm) == set(table("Alarms"))


def test_every_discard_is_documented_and_no_other():
    assert set(Discard) == set(table("Discards"))


@pytest.mark.parametrize(
    ("kind", "key", "values"),
    [("request", "outcome", Outcome), ("delivery", "result", DeliveryOutcome), ("call_status", "status", CallStatus)],
)
def test_every_value_of_the_short_enumerations_is_documented(kind, key, values):
    assert set(values) == set(re.findall(r"`(\w+)`", table(f"`{kind}`")[key]))


def test_every_metric_is_documented_with_its_type_and_labels_and_no_other():
    registry = CollectorRegistry()
    metrics = Metrics(
        registry,
        Readings(
            *(int, int, int, bool, bool, int, int, int, int),
            *(lambda: {"people": False}, lambda: {"staff": True}, lambda: {"twilio": True}),
        ),
    )
    metrics.expect(
        ["hq-vpn"], {"twilio": ProviderEvents([Method.VOICE], call_statuses=True, callbacks=True)}, ["hq-vpn"], ["nps"]
    )
    for record in records.ALL:
        metrics(replace(record, client="hq-vpn") if isinstance(record, RequestRecord) else record)
    documented = {name: tuple(row.split(" | ")[:2]) for name, row in table("Metrics").items()}

    found = {}
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.type, labels)

    assert {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, (kind, labels) in documented.items()} == found


def test_alerts_name_metrics_that_exist():
    known = set(table("Metrics"))

    assert set(re.findall(r"radius_voice_\w+", section("Alerts"))) <= known
