"""Which records of the audit log are selected, and which lines are not decoded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.explain import audit_filter
from radius_voice.explain.audit_filter import AuditFilter, Selection
from radius_voice.login.names import canonical_name
from tests.explain.audit_records import line

REQUEST = {
    "kind": "request",
    "at": "2026-11-26T13:50:11.383Z",
    "client": "hq-vpn",
    "outcome": "reject",
    "reason": "no_phone",
    "user": "Alice",
    "typed_user": "ALICE@corp.example",
    "request_id": "b2",
    "would_outcome": "challenge",
}


def selected(wanted, *lines):
    """The times of the selected records, and the number of skipped lines."""
    selection = Selection(wanted)
    times = [record["at"] for each in lines for record in selection.select(each.rstrip(b"\n"))]
    return times, selection.skipped


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"user": "alice"},
        {"user": " ALICE "},
        {"user": "alice@CORP.example"},
        {"client": "hq-vpn"},
        {"outcome": "reject"},
        {"reason": "no_phone"},
        {"kind": "request"},
        {"would": "challenge"},
        {"login": "b2"},
        {"since": "2026-11-26T13:50:11.383Z", "until": "2026-11-26T13:50:11.383Z"},
        {"user": "alice", "client": "hq-vpn", "reason": "no_phone"},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_record_with_all_values_is_selected(values, separators):
    octets = json.dumps(REQUEST, separators=separators).encode()

    assert ([REQUEST["at"]], 0) == selected(AuditFilter(**values), octets)


@pytest.mark.parametrize(
    "values",
    [
        {"user": "alic"},
        {"user": "bob"},
        {"client": "hq"},
        {"outcome": "accept"},
        {"would": "reject"},
        {"reason": "reject"},
        {"kind": "alarm"},
        {"login": "hq-vpn"},
        {"since": "2026-11-26T13:50:11.384Z"},
        {"until": "2026-11-26T13:50:11.382Z"},
        {"user": "alice", "client": "other"},
    ],
)
def test_a_record_with_another_value_is_not_selected(values):
    assert ([], 0) == selected(AuditFilter(**values), json.dumps(REQUEST).encode())


@given(st.text(min_size=1).filter(canonical_name), st.sampled_from(["upper", "lower", "title", "casefold"]))
def test_a_user_is_found_by_every_form_of_the_name(name, form):
    octets = json.dumps({"at": "1", "user": name}).encode()
    other = getattr(name, form)()
    expected = ["1"] if canonical_name(other) == canonical_name(name) else []

    assert (expected, 0) == selected(AuditFilter(user=other), octets)


@pytest.mark.parametrize(("name", "written"), [("Straße", "STRASSE"), ("\u212aate", "kate"), ("Zoë", "zoë")])
def test_a_user_is_found_by_a_form_of_the_name_with_other_letters(name, written):
    for user, wanted in ((name, written), (written, name)):
        assert (["1"], 0) == selected(AuditFilter(user=wanted), json.dumps({"at": "1", "user": user}).encode())


@pytest.mark.parametrize("values", [{}, {"user": "alice"}, {"reason": "no_phone"}, {"login": "b2"}])
@pytest.mark.parametrize("damaged", [b'{"kind":"requ', b'kind":"request"}', b"\0", b"x"])
def test_damaged_lines_are_counted_whatever_the_filter(values, damaged):
    assert ([], 1) == selected(AuditFilter(**values), damaged, b"")


def call(session, at="2", **values):
    return line(at, session, kind="delivery", provider="twilio", **values)


def request(session, at="1", user="alice"):
    return line(at, session, user=user, steps=[{"name": "delivery", "after": 0.1}])


def test_the_calls_of_the_logins_of_a_user_are_selected():
    lines = [call("a1"), call("b1"), request("b1", user="bob"), request("a1"), call("a1", "3"), call("b1", "3")]

    assert (["1", "2", "3"], 0) == selected(AuditFilter(user="alice"), *lines)
    assert (["1", "3", "2"], 0) == selected(AuditFilter(user="alice"), *lines[::-1])


@pytest.mark.parametrize(
    "values", [{"outcome": "accept"}, {"would": "reject"}, {"reason": "no_phone"}, {"kind": "alarm"}, {"until": "1"}]
)
def test_calls_are_not_selected_by_other_filters(values):
    assert "2" not in selected(AuditFilter(user="alice", **values), call("a1"), request("a1"))[0]


def test_a_damaged_call_is_counted():
    assert (["1"], 1) == selected(AuditFilter(user="alice"), call("a1")[:-3], request("a1"))


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(audit_filter, "MAX_LOGINS", 2)
    monkeypatch.setattr(audit_filter, "MAX_CALLS", 2)
    many = [call("a1", str(number)) for number in range(10, 20)]

    assert (["1", "10", "11"], 0) == selected(AuditFilter(user="alice"), *many, request("a1"))
    assert (["1"], 0) == selected(AuditFilter(user="alice"), call("a1"), call("b"), call("c"), request("a1"))
    forgotten = [request("a1"), request("a2"), request("a3"), call("a1")]
    assert (["1", "1", "1"], 0) == selected(AuditFilter(user="alice"), *forgotten)
