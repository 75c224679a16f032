"""Who is served next: answers first, sources in turn, and nobody past their time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.admission import Admission, Job

LATER = 100.0


class Door:
    """An admission with a clock that is turned by hand, and the order in which jobs were begun and given up."""

    def __init__(self, most_in_flight=1, most_waiting=100):
        self.now = 0.0
        self.begun, self.dropped = [], []
        self.admission = Admission(most_in_flight, most_waiting, lambda: self.now)

    def offer(self, *names, answers=False, source=None, until=LATER):
        """A job for each name; the source of `a1` is `a` unless it is given."""
        for name in names:
            if self.admission.enter():
                self.begun.append(name)
                continue
            job = Job(
                start=lambda name=name: self.begun.append(name),
                drop=lambda name=name: self.dropped.append(name),
                answers=answers,
                source=source or name[0],
                until=until,
            )
            self.admission.wait(job)

    def end_all(self):
        while self.admission.in_flight:
            self.admission.done()


@pytest.fixture
def door():
    return Door()


def test_what_fits_begins_at_once():
    door = Door(most_in_flight=2)
    door.offer("a1", "a2", "a3")
    assert ["a1", "a2"] == door.begun
    assert 2 == door.admission.in_flight


def test_a_place_that_becomes_free_goes_to_who_waits(door):
    door.offer("a1", "a2")
    door.admission.done()
    assert ["a1", "a2"] == door.begun
    assert 1 == door.admission.in_flight
    door.admission.done()
    assert 0 == door.admission.in_flight


def test_one_source_cannot_keep_the_others_waiting(door):
    door.offer("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    door.end_all()
    assert ["a1", "a2", "b1", "c1", "a3", "b2", "a4"] == door.begun


def test_answers_go_before_every_first_packet(door):
    door.offer("a1", "a2", "b1")
    door.offer("answer1", "answer2", answers=True)
    door.end_all()
    assert ["a1", "answer1", "answer2", "a2", "b1"] == door.begun


def test_nobody_is_served_past_the_moment_their_gateway_stops_waiting(door):
    door.offer("a1")
    door.offer("b1", until=5.0)
    door.offer("c1", until=5.1)
    door.now = 5.0
    door.end_all()
    assert (["a1", "c1"], ["b1"]) == (door.begun, door.dropped)


def test_when_all_who_wait_are_too_late_the_place_is_free_again(door):
    door.offer("a1")
    door.offer("b1", "b2", until=5.0)
    door.now = 6.0
    door.admission.done()
    assert 0 == door.admission.in_flight
    assert ["b1", "b2"] == door.dropped
    door.offer("c1")
    assert ["a1", "c1"] == door.begun


def test_too_many_cost_the_newest_of_the_source_that_has_most_waiting():
    door = Door(most_waiting=3)
    door.offer("x1")
    door.offer("a1", "a2", "b1", "b2")
    assert ["a2"] == door.dropped
    door.offer("b3")
    assert ["a2", "b3"] == door.dropped
    door.end_all()
    assert ["x1", "a1", "b1", "b2"] == door.begun


def test_a_first_packet_makes_room_for_an_answer():
    door = Door(most_waiting=1)
    door.offer("x1", "a1")
    door.offer("answer", answers=True)
    assert ["a1"] == door.dropped
    door.offer("late", answers=True)
    assert ["a1", "late"] == door.dropped
    door.end_all()
    assert ["x1", "answer"] == door.begun


def test_with_nobody_allowed_to_wait_what_does_not_fit_is_dropped_at_once():
    door = Door(most_waiting=0)
    door.offer("a1", "b1")
    door.offer("answer", answers=True)
    assert (["a1"], ["b1", "answer"]) == (door.begun, door.dropped)
    door.end_all()
    assert 0 == door.admission.in_flight


def test_other_numbers_hold_from_now_on(door):
    door.admission.allow(2, 0)
    door.offer("a1", "a2", "a3")
    assert (["a1", "a2"], ["a3"]) == (door.begun, door.dropped)


@given(
    st.integers(1, 4),
    st.integers(0, 6),
    st.lists(st.one_of(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 20)), st.none()), max_size=60),
)
def test_every_job_is_begun_or_dropped_once_and_the_bounds_hold(most_in_flight, most_waiting, happens):
    door = Door(most_in_flight, most_waiting)
    offered = 0
    for number, event in enumerate(happens):
        door.now = float(number)
        if event is not None:
            source, answers, patience = event
            door.offer(f"{source}{number}", answers=answers, until=number + patience)
            offered += 1
        elif door.admission.in_flight:
            door.admission.done()
        assert door.admission.in_flight <= most_in_flight
        assert offered - len(door.begun) - len(door.dropped) <= most_waiting
    door.end_all()
    assert offered == len({*door.begun, *door.dropped}) == len(door.begun) + len(door.dropped)
