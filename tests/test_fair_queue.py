import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from radius_voice.fair_queue import FairQueue

ARRIVALS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40)


def filled(arrivals, capacity=100):
    queue: FairQueue[Any] = FairQueue(capacity)
    dropped = []
    for number, (key, preferred) in enumerate(arrivals):
        lost = queue.put((number, key, preferred), key, preferred=preferred)
        dropped += [] if lost is None else [lost]
    return queue, dropped


def emptied(queue):
    return list(itertools.takewhile(lambda item: item is not None, iter(queue.pop, object())))


@given(ARRIVALS)
def test_preferred_items_come_first_and_others_round_robin(arrivals):
    queue, dropped = filled(arrivals)
    assert [] == dropped
    taken = emptied(queue)
    preferred = [item for item in taken if item[2]]
    assert preferred == taken[: len(preferred)]
    assert sorted(preferred) == preferred
    others = taken[len(preferred) :]
    for key in "abc":
        mine = [place for place, item in enumerate(others) if item[1] == key]
        assert [others[place] for place in mine] == sorted(others[place] for place in mine)
        assert all(later - earlier <= 3 for earlier, later in itertools.pairwise(mine))
    assert len(arrivals) == len(taken)


@given(ARRIVALS, st.integers(1, 5))
def test_a_full_queue_drops_from_the_key_that_has_the_most_and_preferred_items_last(arrivals, capacity):
    queue, dropped = filled(arrivals, capacity)
    assert max(0, len(arrivals) - capacity) == len(dropped)
    assert min(len(arrivals), capacity) == len(queue)
    kept = emptied(queue)
    if any(item[2] for item in dropped):
        assert all(item[2] for item in kept)


def test_one_sender_cannot_displace_another():
    queue, _ = filled([("flood", False)] * 10, capacity=10)
    lost = queue.put("honest", "honest", preferred=False)
    assert (9, "flood", False) == lost
    assert (0, "flood", False) == queue.pop()
    assert "honest" == queue.pop()


@given(ARRIVALS)
def test_unwanted_items_are_removed_and_the_others_keep_their_order(arrivals):
    queue, _ = filled(arrivals)
    queue.remove(lambda item: item[0] % 2 == 1)
    wanted = [(number, key, preferred) for number, (key, preferred) in enumerate(arrivals) if number % 2 == 0]
    assert len(wanted) == len(queue)
    kept = emptied(queue)
    assert [item for item in wanted if item[2]] == [item for item in kept if item[2]]
    for key in "abc":
        mine = [item for item in wanted if item[1] == key and not item[2]]
        assert mine == [item for item in kept if item[1] == key and not item[2]]
