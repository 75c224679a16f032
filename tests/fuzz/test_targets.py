"""The fuzzing targets pass with their seeds and with small mutations, so that they stay usable between fuzzing runs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import SEEDS

TARGETS = pytest.mark.parametrize("target", SEEDS, ids=lambda target: target.__name__)


@TARGETS
def test_fuzzing_seeds_raise_nothing(target):
    for seed in SEEDS[target]:
        target(seed)


@TARGETS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_mutated_seed_raises_nothing(target, data):
    seed = data.draw(st.sampled_from(SEEDS[target]))
    cut = data.draw(st.integers(0, len(seed)))
    target(seed[:cut] + data.draw(st.binary(max_size=40)) + seed[cut + data.draw(st.integers(0, 40)) :])
