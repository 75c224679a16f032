"""The targets of the fuzzer hold for what they begin with and for a few octets more: they do not rot between its runs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import SEEDS

TARGETS = pytest.mark.parametrize("target", SEEDS, ids=lambda target: target.__name__)


@TARGETS
def test_what_a_fuzzer_begins_with_is_no_fault(target):
    for seed in SEEDS[target]:
        target(seed)


@TARGETS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_piece_of_it_with_noise_is_no_fault(target, data):
    seed = data.draw(st.sampled_from(SEEDS[target]))
    cut = data.draw(st.integers(0, len(seed)))
    target(seed[:cut] + data.draw(st.binary(max_size=40)) + seed[cut + data.draw(st.integers(0, 40)) :])
