from hypothesis import given
from hypothesis import strategies as st

from radius_voice.turns import Turns


@given(st.integers(1, 9), st.integers(0, 30))
def test_each_item_has_its_turn_and_no_time_has_more_than_the_most(most, count):
    turns, items = Turns(most), list(range(count))
    chosen = [turns.next(items) for _ in range(-(-count // most) or 1)]
    assert all(len(each) == len(set(each)) <= most for each in chosen)
    assert set(items) == {item for each in chosen for item in each}
