from hypothesis import given
from hypothesis import strategies as st

from radius_voice.login.limits.calling_stations import KEPT_SECONDS, MAX_STATIONS, last_login, stations_in, with_login


def station(number):
    return number.to_bytes(16)


def test_a_station_is_known_for_30_days_after_its_last_login():
    stored = with_login(b"", station(1), 1000.0)
    assert 1000.0 == last_login(stored, station(1), 1000.0 + KEPT_SECONDS - 1)
    assert last_login(stored, station(1), 1000.0 + KEPT_SECONDS) is None
    assert last_login(stored, station(2), 1000.0) is None
    renewed = with_login(stored, station(1), 5000.0)
    assert 5000.0 == last_login(renewed, station(1), 1000.0 + KEPT_SECONDS)


@given(st.lists(st.integers(0, 40), max_size=60))
def test_the_list_is_bounded_and_keeps_the_newest(numbers):
    stored = b""
    for at, number in enumerate(numbers):
        stored = with_login(stored, station(number), float(at))
    newest = list(dict.fromkeys(reversed(numbers)))[:MAX_STATIONS]
    assert {station(number) for number in newest} == set(stations_in(stored))


def test_octets_of_another_version_are_no_stations():
    assert last_login(b"x" * 23, station(1), 0.0) is None
    assert [] == stations_in(b"")
