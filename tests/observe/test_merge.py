import pytest
from prometheus_client.parser import text_string_to_metric_families

from radius_voice.observe.merge import Ledger, merged

PAGE = """\
# HELP radius_voice_calls_total Calls
# TYPE radius_voice_calls_total counter
radius_voice_calls_total{{result="placed"}} {calls}
# HELP radius_voice_ring_seconds Rings
# TYPE radius_voice_ring_seconds histogram
radius_voice_ring_seconds_bucket{{le="1.0"}} {calls}
radius_voice_ring_seconds_bucket{{le="+Inf"}} {calls}
radius_voice_ring_seconds_count {calls}
radius_voice_ring_seconds_sum {calls}
# HELP radius_voice_logins_in_flight Logins
# TYPE radius_voice_logins_in_flight gauge
radius_voice_logins_in_flight {calls}
# HELP radius_voice_open_challenges Open
# TYPE radius_voice_open_challenges gauge
radius_voice_open_challenges {calls}
# HELP radius_voice_users_file_invalid Invalid
# TYPE radius_voice_users_file_invalid gauge
radius_voice_users_file_invalid{{identity="people"}} {invalid}
"""


def worker(calls, invalid=0):
    return PAGE.format(calls=float(calls), invalid=float(invalid))


def counted(page):
    """Calls, rings, logins in flight, open challenges."""
    samples = {s.name: s.value for family in text_string_to_metric_families(page.decode()) for s in family.samples}
    names = ("calls_total", "ring_seconds_count", "logins_in_flight", "open_challenges")
    return tuple(samples[f"radius_voice_{name}"] for name in names)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "counted.json")


def test_pages_add_up_and_what_all_see_alike_does_not():
    assert (5, 5, 5, 3) == counted(merged([worker(2), worker(3)]))


@pytest.mark.parametrize(("states", "merged_state"), [((0, 0), 0), ((0, 1), 1), ((1, 1), 1), ((1, 0), 1)])
def test_a_users_file_is_invalid_when_it_is_to_one_worker(states, merged_state):
    page = merged(worker(1, invalid) for invalid in states).decode()
    samples = {s.name: s.value for family in text_string_to_metric_families(page) for s in family.samples}
    assert merged_state == samples["radius_voice_users_file_invalid"]


def test_what_a_worker_that_died_had_counted_stays(ledger):
    ledger.page({0: (1, worker(10)), 1: (1, worker(20))})
    assert (30, 30, 10, 10) == counted(ledger.page({0: (1, worker(10))})), "nobody answers for the dead one yet"
    assert (31, 31, 11, 10) == counted(ledger.page({0: (1, worker(10)), 1: (2, worker(1))}))
    assert (33, 33, 12, 10) == counted(ledger.page({0: (1, worker(10)), 1: (3, worker(2))}))
    assert (37, 37, 6, 4) == counted(ledger.page({0: (2, worker(4)), 1: (3, worker(2))}))


def test_who_is_slow_once_is_not_counted_twice(ledger):
    ledger.page({0: (1, worker(10))})
    ledger.page({})
    assert (12, 12, 12, 12) == counted(ledger.page({0: (1, worker(12))}))


def test_what_was_counted_outlives_its_keeper(ledger, tmp_path):
    ledger.page({0: (1, worker(10)), 1: (1, worker(20))})
    ledger.page({0: (2, worker(1)), 1: (1, worker(20))})
    assert (31, 31, 1, 1) == counted(Ledger(tmp_path / "counted.json").page({0: (2, worker(1))}))


@pytest.mark.parametrize("octets", [b"", b"[", b"[1]", b"\xff"])
def test_a_file_that_cannot_be_read_is_as_none(octets, tmp_path):
    (tmp_path / "counted.json").write_bytes(octets)
    assert (1, 1, 1, 1) == counted(Ledger(tmp_path / "counted.json").page({0: (1, worker(1))}))


def test_a_disk_that_takes_nothing_hides_no_page(tmp_path):
    assert (1, 1, 1, 1) == counted(Ledger(tmp_path / "nowhere" / "counted.json").page({0: (1, worker(1))}))
