"""The timeline of a login has the accounting of the connection that the login opened, and of no other one."""

import pytest

from radius_voice.explain.audit_accounting import accounting_of
from tests.explain.audit_records import line, time

ACCEPTED = {
    "kind": "request",
    "at": time(10),
    "client": "hq-vpn",
    "user": "alice",
    "calling_station_id": "192.0.2.9",
    "outcome": "accept",
}


def account(minute, status="start", session="A", **values):
    named = {"client": "hq-vpn", "user": "alice", "calling_station_id": "192.0.2.9"} | values
    return line(time(minute), "", kind="accounting", status=status, accounting_session=session, **named)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.jsonl"


def times(log, *lines, accepted=ACCEPTED):
    log.write_bytes(b"".join(lines))
    return [record["at"] for record in accounting_of(log, [accepted])]


def test_the_connection_of_the_login_is_found_up_to_its_end(log):
    lines = [account(9, session="B"), account(11), account(11, session="C"), account(20, "interim_update")]
    lines += [account(21, "stop", "C"), account(30, "stop"), account(40), account(41, "stop")]

    assert [time(11), time(20), time(30)] == times(log, *lines)


@pytest.mark.parametrize("missing", ["at", "client", "user"])
def test_a_damaged_record_of_a_login_has_none(log, missing):
    for damaged in (ACCEPTED | {missing: ""}, {key: ACCEPTED[key] for key in ACCEPTED if key != missing}):
        assert [] == times(log, account(11), accepted=damaged)
    assert [] == times(log, account(11), accepted=ACCEPTED | {"at": "no time"})


@pytest.mark.parametrize(
    "other",
    [
        account(9),
        account(13),
        account(11, "stop"),
        account(11, session=""),
        account(11, user="bob"),
        account(11, client="other"),
        account(11, calling_station_id="192.0.2.10"),
    ],
)
def test_another_connection_is_not_that_of_the_login(log, other):
    assert [] == times(log, other)


def test_a_gateway_may_send_no_calling_station_id(log):
    without = line(
        time(11), "", kind="accounting", status="start", accounting_session="A", client="hq-vpn", user="alice"
    )

    assert [time(11)] == times(log, without)
    assert [time(11)] == times(log, account(11), accepted={**ACCEPTED, "calling_station_id": ""})


def test_a_login_that_was_not_accepted_opened_no_connection(log):
    assert [] == times(log, account(11), accepted={**ACCEPTED, "outcome": "reject"})
    assert [] == times(log, account(11), accepted={**ACCEPTED, "user": ""})
