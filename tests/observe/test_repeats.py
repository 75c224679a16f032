from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.observe import repeats
from radius_voice.observe.audit import AuditLog
from radius_voice.observe.repeats import MAX_ADDRESSES, MAX_TRACKED, PERIOD, RepeatMerger
from tests.observe import records
from tests.observe.conftest import Clock

REJECT = replace(records.BARE_REQUEST, packet=7)


class Reader(list[Any]):
    """A list that appends the argument of each call."""

    def __call__(self, record):
        self.append(record)

    @property
    def counts(self):
        return [record.repeated for record in self]


@pytest.fixture
def reader():
    return Reader()


@pytest.fixture
def paced(reader, clock):
    return RepeatMerger([reader], clock)


def test_identical_rejects_are_written_at_once_and_then_once_a_minute_with_their_number(paced, reader, clock):
    for _ in range(100):
        paced(REJECT)
    assert [0] == reader.counts
    clock.pass_by(PERIOD)
    for _ in range(10):
        paced(REJECT)
    assert [0, 99] == reader.counts
    clock.pass_by(PERIOD)
    paced.write_due()
    assert [0, 99, 10] == reader.counts


def test_the_record_written_later_is_the_last_one(paced, reader):
    paced(REJECT)
    paced(replace(REJECT, at=records.AT + 1))
    paced(replace(REJECT, at=records.AT + 2))
    paced.write_rest()
    assert replace(REJECT, at=records.AT + 2, repeated=2) == reader[-1]


def test_the_first_copy_from_each_of_several_addresses_is_written_and_no_further_ones(paced, reader, clock):
    copies = [replace(REJECT, client_address=f"198.51.100.{number}") for number in range(2 * MAX_ADDRESSES)]
    for copy in copies:
        paced(copy)
    assert copies[:MAX_ADDRESSES] == reader
    clock.pass_by(PERIOD)
    for copy in copies:
        paced(copy)
    paced.write_rest()
    assert [MAX_ADDRESSES, 2 * MAX_ADDRESSES] == reader.counts[MAX_ADDRESSES:]


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        ({"outcome": Outcome.NO_RESPONSE, "reason": Reason.STORE_UNAVAILABLE}, [0, 2]),
        ({"outcome": Outcome.ACCEPT, "reason": Reason.STATUS}, [0, 2]),
        ({"outcome": Outcome.ACCEPT, "reason": Reason.REPEATED}, [0, 2]),
        ({"outcome": Outcome.ACCEPT, "reason": Reason.CODE_CORRECT}, [0, 0, 0]),
        ({"outcome": Outcome.CHALLENGE, "reason": Reason.JOINED}, [0, 2]),
        ({"outcome": Outcome.CHALLENGE, "reason": Reason.CALL_PLACED}, [0, 0, 0]),
    ],
)
def test_an_accept_or_a_challenge_has_its_own_record_unless_it_repeats_a_result(paced, reader, result, counts):
    for _ in range(3):
        paced(replace(REJECT, **result))
    paced.write_rest()
    assert counts == reader.counts


def test_a_record_without_repetition_stays_one_record(paced, reader, clock):
    paced(REJECT)
    clock.pass_by(PERIOD)
    paced.write_due()
    paced(REJECT)
    paced.write_rest()
    assert [0, 0] == reader.counts


@pytest.mark.parametrize(
    "other",
    [
        {"packet": 8},
        {"client": "branch-vpn"},
        {"reason": Reason.REPLAY},
        {"outcome": Outcome.NO_RESPONSE},
    ],
    ids=lambda other: next(iter(other)),
)
def test_records_of_another_packet_client_or_result_are_never_merged(paced, reader, other):
    for _ in range(3):
        paced(REJECT)
        paced(replace(REJECT, **other))
    paced.write_rest()
    assert [REJECT, replace(REJECT, **other)] == reader[:2]
    assert [2, 2] == reader.counts[2:]


def test_every_other_kind_of_record_and_requests_of_unknown_octets_pass_at_once(paced, reader):
    for _ in range(2):
        for record in records.ALL:
            paced(record)
    assert [*records.ALL, *records.ALL] == reader


def test_at_the_bound_the_oldest_packet_is_written_and_nothing_is_lost(paced, reader, monkeypatch):
    monkeypatch.setattr(repeats, "MAX_TRACKED", 2)
    first, second, third = (replace(REJECT, packet=number) for number in (1, 2, 3))
    for record in (first, first, second, third, first):
        paced(record)
    assert [(1, 0), (2, 0), (1, 1), (3, 0), (1, 0)] == [(each.packet, each.repeated) for each in reader]


def test_the_bounds_match_the_manual():
    page = (Path(__file__).parents[2] / "docs" / "observing.md").read_text()
    assert f"{MAX_TRACKED:,} packets" in page
    assert f"{MAX_ADDRESSES} addresses" in page


SECONDS = st.integers(0, 160).map(lambda quarters: quarters / 4)  # their sums are exact
EVENTS = st.tuples(st.integers(1, 4), st.sampled_from([Reason.REPLAY, Reason.WRONG_PASSWORD]), SECONDS)


@given(st.lists(EVENTS, max_size=80))
def test_records_stand_for_as_many_packets_as_arrived_and_are_a_minute_apart(events):
    clock = Clock()
    written: list[tuple[float, Any]] = []
    paced = RepeatMerger([lambda record: written.append((clock.time, record))], clock)
    for packet, reason, seconds in events:
        clock.pass_by(seconds)
        paced(replace(REJECT, packet=packet, reason=reason))
    before_the_end = len(written)
    paced.write_rest()
    for packet, reason, _ in events:
        sent = [each for each in events if each[:2] == (packet, reason)]
        of_it = [(at, record) for at, record in written if (record.packet, record.reason) == (packet, reason)]
        assert len(sent) == sum(record.repeated or 1 for _, record in of_it)
        times = [at for at, record in written[:before_the_end] if (record.packet, record.reason) == (packet, reason)]
        assert all(later - earlier >= PERIOD for earlier, later in pairwise(times))


def test_the_audit_log_has_the_number_of_packets_of_a_record(tmp_path, clock):
    audit = AuditLog(tmp_path / "audit.jsonl", clock, print)
    paced = RepeatMerger([audit], clock)
    for _ in range(5):
        paced(REJECT)
    paced.write_rest()
    audit.close()
    written = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [None, 4] == [line.get("repeated") for line in written]
