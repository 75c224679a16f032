"""Which request is processed next: responses first, queues in turn, and none after its deadline."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.server.admission import Admission, Job

LATER = 100.0


class AdmissionHarness:
    """An admission with a clock that the test sets, and the order in which jobs were started and dropped."""

    def __init__(self, max_concurrent=1, max_queued=100):
        self.now = 0.0
        self.started, self.dropped = [], []
        self.admission = Admission(max_concurrent, max_queued, lambda: self.now)

    def add(self, *names, preferred=False, queue=None, deadline=LATER):
        """Add a job for each name; the queue of `a1` is `a` unless it is given."""
        for name in names:
            if self.admission.enter():
                self.started.append(name)
                continue
            job = Job(
                start=partial(self.started.append, name),
                drop=partial(self.dropped.append, name),
                preferred=preferred,
                queue=queue or name[0],
                deadline=deadline,
            )
            self.admission.wait(job)

    def end_all(self):
        while self.admission.in_progress:
            self.admission.done()


@pytest.fixture
def harness():
    return AdmissionHarness()


def test_jobs_within_the_maximum_start_at_once():
    harness = AdmissionHarness(max_concurrent=2)
    harness.add("a1", "a2", "a3")
    assert ["a1", "a2"] == harness.started
    assert 2 == harness.admission.in_progress


def test_a_queued_job_starts_when_another_ends(harness):
    harness.add("a1", "a2")
    harness.admission.done()
    assert ["a1", "a2"] == harness.started
    assert 1 == harness.admission.in_progress
    harness.admission.done()
    assert 0 == harness.admission.in_progress


def test_queues_are_served_in_turn(harness):
    harness.add("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    harness.end_all()
    assert ["a1", "a2", "b1", "c1", "a3", "b2", "a4"] == harness.started


def test_responses_go_before_initial_requests(harness):
    harness.add("a1", "a2", "b1")
    harness.add("answer1", "answer2", preferred=True)
    harness.end_all()
    assert ["a1", "answer1", "answer2", "a2", "b1"] == harness.started


def test_no_job_starts_after_its_deadline(harness):
    harness.add("a1")
    harness.add("b1", deadline=5.0)
    harness.add("c1", deadline=5.1)
    harness.now = 5.0
    harness.end_all()
    assert (["a1", "c1"], ["b1"]) == (harness.started, harness.dropped)


def test_a_new_job_starts_at_once_after_all_queued_jobs_were_too_late(harness):
    harness.add("a1")
    harness.add("b1", "b2", deadline=5.0)
    harness.now = 6.0
    harness.admission.done()
    assert 0 == harness.admission.in_progress
    assert ["b1", "b2"] == harness.dropped
    harness.add("c1")
    assert ["a1", "c1"] == harness.started


def test_a_full_queue_drops_the_newest_job_of_the_longest_queue():
    harness = AdmissionHarness(max_queued=3)
    harness.add("x1")
    harness.add("a1", "a2", "b1", "b2")
    assert ["a2"] == harness.dropped
    harness.add("b3")
    assert ["a2", "b3"] == harness.dropped
    harness.end_all()
    assert ["x1", "a1", "b1", "b2"] == harness.started


def test_an_initial_request_is_dropped_for_a_response():
    harness = AdmissionHarness(max_queued=1)
    harness.add("x1", "a1")
    harness.add("answer", preferred=True)
    assert ["a1"] == harness.dropped
    harness.add("late", preferred=True)
    assert ["a1", "late"] == harness.dropped
    harness.end_all()
    assert ["x1", "answer"] == harness.started


def test_without_a_queue_jobs_above_the_maximum_are_dropped_at_once():
    harness = AdmissionHarness(max_queued=0)
    harness.add("a1", "b1")
    harness.add("answer", preferred=True)
    assert (["a1"], ["b1", "answer"]) == (harness.started, harness.dropped)
    harness.end_all()
    assert 0 == harness.admission.in_progress


def test_new_maximums_apply_from_the_next_job(harness):
    harness.admission.set_limits(2, 0)
    harness.add("a1", "a2", "a3")
    assert (["a1", "a2"], ["a3"]) == (harness.started, harness.dropped)


@given(
    st.integers(1, 4),
    st.integers(0, 6),
    st.lists(st.one_of(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 20)), st.none()), max_size=60),
)
def test_every_job_is_started_or_dropped_once_and_the_maximums_hold(max_concurrent, max_queued, happens):
    harness = AdmissionHarness(max_concurrent, max_queued)
    added = 0
    for number, event in enumerate(happens):
        harness.now = float(number)
        if event is not None:
            queue, preferred, wait_seconds = event
            harness.add(f"{queue}{number}", preferred=preferred, deadline=number + wait_seconds)
            added += 1
        elif harness.admission.in_progress:
            harness.admission.done()
        assert harness.admission.in_progress <= max_concurrent
        assert added - len(harness.started) - len(harness.dropped) <= max_queued
    harness.end_all()
    assert added == len({*harness.started, *harness.dropped}) == len(harness.started) + len(harness.dropped)
