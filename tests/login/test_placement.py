import itertools

from hypothesis import given
from hypothesis import strategies as st

from radius_voice.events import CallResult
from radius_voice.login.deliveries import CodeMessage, DeliveryRequest, Indeterminate, NotPlaced, NumberRejected, Placed
from radius_voice.login.phone import Phone
from radius_voice.login.placement import place_call
from tests.login.harness import FakeProvider

RESULTS = [Placed("r"), NumberRejected("n"), NotPlaced("p"), Indeterminate("u")]
EXTENSIONS = Phone("+12025550120", "1"), Phone("+12025550120", "2"), Phone("+12025550121", "1")
NUMBERS = tuple(Phone(f"+1202555012{n}") for n in range(3))


@given(st.lists(st.sampled_from(RESULTS), min_size=12, max_size=12), st.sets(st.sampled_from(NUMBERS)))
async def test_no_provider_result_leads_to_a_second_call(results, forbidden):
    asked = []
    sequence = itertools.cycle(results)

    class Provider(FakeProvider):
        async def place(self, request, deadline):
            result = next(sequence)
            asked.append((request.phone, result))
            return result

    async def may_call(phone):
        return phone not in forbidden

    request = DeliveryRequest(NUMBERS[0], CodeMessage("en", "ACME", "123456"), 30)
    reports = []
    providers = {"a": Provider(), "b": Provider()}
    placement = await place_call(request, NUMBERS, providers, may_call, lambda *report: reports.append(report), 0.0)
    possible_calls = [result for _, result in asked if isinstance(result, Placed | Indeterminate)]
    assert len(possible_calls) <= 1
    assert not possible_calls or possible_calls[0] is asked[-1][1]
    assert (placement.result in {CallResult.PLACED, CallResult.INDETERMINATE}) == bool(possible_calls)
    assert forbidden.isdisjoint(phone for phone, _ in asked if phone != NUMBERS[0])
    assert len(reports) == len(asked)


async def test_a_rejected_number_is_not_tried_again_with_another_extension():
    asked = []

    class Provider(FakeProvider):
        async def place(self, request, deadline):
            asked.append(request.phone)
            return NumberRejected("n")

    async def may_call(phone):
        return True

    request = DeliveryRequest(EXTENSIONS[0], CodeMessage("en", "ACME", "123456"), 30)
    placement = await place_call(request, EXTENSIONS, {"a": Provider()}, may_call, lambda *_: None, 0.0)
    assert [EXTENSIONS[0], EXTENSIONS[2]] == asked
    assert CallResult.NUMBER_REJECTED is placement.result
