"""The times that an administrator writes to search the audit log."""

import pytest

from radius_voice.explain.audit_search import MAX_DELAY
from radius_voice.explain.audit_times import iso, moment, seconds_of

NOW = 1795701600.0  # 2026-11-26T14:00:00Z


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2h", "2026-11-26T12:00:00.000Z", "2026-11-26T12:00:00.000Z"),
        ("1.5h", "2026-11-26T12:30:00.000Z", "2026-11-26T12:30:00.000Z"),
        ("7d", "2026-11-19T14:00:00.000Z", "2026-11-19T14:00:00.000Z"),
        ("2026-11-26", "2026-11-26T00:00:00.000Z", "2026-11-26T23:59:59.999Z"),
        ("2026-11-26T13:50", "2026-11-26T13:50:00.000Z", "2026-11-26T13:50:00.000Z"),
        ("2026-11-26 13:50:11", "2026-11-26T13:50:11.000Z", "2026-11-26T13:50:11.000Z"),
        ("2026-11-26T13:50:11.383Z", "2026-11-26T13:50:11.383Z", "2026-11-26T13:50:11.383Z"),
        ("2026-11-26T13:50+01:00", "2026-11-26T12:50:00.000Z", "2026-11-26T12:50:00.000Z"),
    ],
)
def test_durations_dates_and_times_are_read(text, start, end):
    assert start == moment(text, NOW)
    assert end == moment(text, NOW, is_end=True)


@pytest.mark.parametrize("text", ["yesterday", "2", "2 h", "2026-13-01", "2026-11-26T25:00", "13:50"])
def test_other_texts_name_the_forms(text):
    with pytest.raises(ValueError, match="like 2h or 7d; a date, like 2026-11-26; or a time"):
        moment(text, NOW)


def test_times_are_written_as_in_the_audit_log():
    assert NOW == seconds_of(iso(NOW))


@pytest.mark.parametrize("text", ["0001-01-01", "999999999d", "1969-12-31"])
def test_a_time_before_1970_is_the_first_moment(text):
    assert "1970-01-01T00:00:00.000Z" == moment(text, NOW)


def test_the_last_moment_can_be_searched_with_the_delay_of_records():
    last = moment("9999-12-31T23:59:59Z", NOW, is_end=True)
    assert last == iso(seconds_of(last) + MAX_DELAY) == "9999-12-31T23:59:59.000Z"
