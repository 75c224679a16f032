import pytest
from prometheus_client.parser import text_string_to_metric_families

from radius_voice.observe.merge import MetricsMerger, merged

PAGE = """\
# HELP radius_voice_deliveries_total Calls
# TYPE radius_voice_deliveries_total counter
radius_voice_deliveries_total{{result="placed"}} {calls}
# HELP radius_voice_placement_seconds Rings
# TYPE radius_voice_placement_seconds histogram
radius_voice_placement_seconds_bucket{{le="1.0"}} {calls}
radius_voice_placement_seconds_bucket{{le="+Inf"}} {calls}
radius_voice_placement_seconds_count {calls}
radius_voice_placement_seconds_sum {calls}
# HELP radius_voice_requests_in_progress Logins
# TYPE radius_voice_requests_in_progress gauge
radius_voice_requests_in_progress {calls}
# HELP radius_voice_open_sessions Open
# TYPE radius_voice_open_sessions gauge
radius_voice_open_sessions {calls}
# HELP radius_voice_users_file_invalid Invalid
# TYPE radius_voice_users_file_invalid gauge
radius_voice_users_file_invalid{{identity="people"}} {invalid}
"""


def worker(calls, invalid=0):
    return PAGE.format(calls=float(calls), invalid=float(invalid))


def counted(page):
    """Calls, rings, logins in flight, open challenges."""
    samples = {s.name: s.value for family in text_string_to_metric_families(page.decode()) for s in family.samples}
    names = ("deliveries_total", "placement_seconds_count", "requests_in_progress", "open_sessions")
    return tuple(samples[f"radius_voice_{name}"] for name in names)


@pytest.fixture
def merger(tmp_path):
    return MetricsMerger(tmp_path / "counted.json")


def test_pages_are_added_except_for_metrics_that_all_workers_share():
    assert (5, 5, 5, 3) == counted(merged([worker(2), worker(3)]))


@pytest.mark.parametrize(("states", "merged_state"), [((0, 0), 0), ((0, 1), 1), ((1, 1), 1), ((1, 0), 1)])
def test_a_users_file_is_invalid_if_one_worker_reports_it_invalid(states, merged_state):
    page = merged(worker(1, invalid) for invalid in states).decode()
    samples = {s.name: s.value for family in text_string_to_metric_families(page) for s in family.samples}
    assert merged_state == samples["radius_voice_users_file_invalid"]


def test_the_counts_of_a_worker_that_died_are_kept(merger):
    merger.page({0: (1, worker(10)), 1: (1, worker(20))})
    assert (30, 30, 10, 10) == counted(merger.page({0: (1, worker(10))})), "no process has replaced the dead one yet"
    assert (31, 31, 11, 10) == counted(merger.page({0: (1, worker(10)), 1: (2, worker(1))}))
    assert (33, 33, 12, 10) == counted(merger.page({0: (1, worker(10)), 1: (3, worker(2))}))
    assert (37, 37, 6, 4) == counted(merger.page({0: (2, worker(4)), 1: (3, worker(2))}))


def test_a_worker_that_responds_late_once_is_not_counted_twice(merger):
    merger.page({0: (1, worker(10))})
    merger.page({})
    assert (12, 12, 12, 12) == counted(merger.page({0: (1, worker(12))}))


def test_counts_survive_a_restart_of_the_process_that_merges(merger, tmp_path):
    merger.page({0: (1, worker(10)), 1: (1, worker(20))})
    merger.page({0: (2, worker(1)), 1: (1, worker(20))})
    assert (31, 31, 1, 1) == counted(MetricsMerger(tmp_path / "counted.json").page({0: (2, worker(1))}))


@pytest.mark.parametrize("octets", [b"", b"[", b"[1]", b"\xff"])
def test_an_unreadable_file_counts_as_none(octets, tmp_path):
    (tmp_path / "counted.json").write_bytes(octets)
    assert (1, 1, 1, 1) == counted(MetricsMerger(tmp_path / "counted.json").page({0: (1, worker(1))}))


def test_a_page_is_served_when_the_disk_cannot_be_written(tmp_path):
    assert (1, 1, 1, 1) == counted(MetricsMerger(tmp_path / "nowhere" / "counted.json").page({0: (1, worker(1))}))
