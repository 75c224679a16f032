import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.events import DeliveryOutcome
from radius_voice.login.calls.placement import deliver
from radius_voice.login.deliveries.requests import (
    CodeMessage,
    DeliveryRequest,
    Indeterminate,
    NotPlaced,
    NumberRejected,
    Placed,
)
from radius_voice.login.model import Method
from radius_voice.login.phone import Phone
from tests.login.harness import FakeProvider

RESULTS = [Placed("r"), NumberRejected("n"), NotPlaced("p"), Indeterminate("u")]
EXTENSIONS = Phone("+12025550120", "1"), Phone("+12025550120", "2"), Phone("+12025550121", "1")
NUMBERS = tuple(Phone(f"+1202555012{n}") for n in range(3))


@given(
    st.lists(st.sampled_from(RESULTS), min_size=12, max_size=12),
    st.sets(st.sampled_from(NUMBERS)),
    st.sampled_from([[Method.VOICE], [Method.VOICE, Method.SMS], [Method.SMS, Method.VOICE]]),
)
async def test_no_provider_result_leads_to_a_second_delivery(results, forbidden, methods):
    asked = []
    sequence = itertools.cycle(results)

    class Provider(FakeProvider):
        async def place(self, request, deadline):
            result = next(sequence)
            asked.append((request.phone, result))
            return result

    async def may_call(request, *, counted):
        return request.phone not in forbidden

    request = DeliveryRequest(NUMBERS[0], CodeMessage("en", "ACME", "123456"), 30, methods[0])
    reports = []
    providers = {Method.VOICE: {"a": Provider(), "b": Provider()}, Method.SMS: {"c": Provider()}}
    placement = await deliver(
        request, NUMBERS, methods, providers, may_call, lambda *report: reports.append(report), 0.0
    )
    possible_calls = [result for _, result in asked if isinstance(result, Placed | Indeterminate)]
    assert len(possible_calls) <= 1
    assert not possible_calls or possible_calls[0] is asked[-1][1]
    assert (placement.result in {DeliveryOutcome.PLACED, DeliveryOutcome.INDETERMINATE}) == bool(possible_calls)
    assert forbidden.isdisjoint(phone for phone, _ in asked if phone != NUMBERS[0])
    assert len(reports) == len(asked)


async def test_a_rejected_number_is_not_tried_again_with_another_extension():
    asked = []

    class Provider(FakeProvider):
        async def place(self, request, deadline):
            asked.append(request.phone)
            return NumberRejected("n")

    async def may_call(request, *, counted):
        return True

    request = DeliveryRequest(EXTENSIONS[0], CodeMessage("en", "ACME", "123456"), 30)
    voice = {Method.VOICE: {"a": Provider()}}
    placement = await deliver(request, EXTENSIONS, [Method.VOICE], voice, may_call, lambda *_: None, 0.0)
    assert [EXTENSIONS[0], EXTENSIONS[2]] == asked
    assert DeliveryOutcome.NUMBER_REJECTED is placement.result


async def test_a_phone_whose_extension_cannot_be_delivered_to_is_tried_without_it_and_counts_once():
    asked = []

    class Provider(FakeProvider):
        async def place(self, request, deadline):
            asked.append(request.phone)
            return NumberRejected("n", sent=False) if request.phone.extension else Placed("r", live=False)

    async def may_call(request, *, counted):
        assert not counted
        return True

    phones = (EXTENSIONS[0], Phone(EXTENSIONS[0].address))
    request = DeliveryRequest(phones[0], CodeMessage("en", "ACME", "123456"), 30, Method.SMS)
    texts = {Method.SMS: {"a": Provider()}}
    placement = await deliver(request, phones, [Method.SMS], texts, may_call, lambda *_: None, 0.0)
    assert list(phones) == asked
    assert (DeliveryOutcome.PLACED, phones[1], False) == (placement.result, placement.phone, placement.counted)


LANDLINE, MOBILE = NUMBERS[:2]
DOWN, REFUSED = NotPlaced("down", outage=True, sent=False), NotPlaced("refused")
REJECTED = NumberRejected("n")


@pytest.mark.parametrize(
    ("answers", "asked", "expected"),
    [
        ({"v": [DOWN], "s": []}, "v0 s0", (DeliveryOutcome.PLACED, Method.SMS, LANDLINE, False)),
        (
            {"v": [REJECTED, REJECTED], "s": [REJECTED]},
            "v0 v1 s0 s1",
            (DeliveryOutcome.PLACED, Method.SMS, MOBILE, True),
        ),
        ({"v": [DOWN], "s": [DOWN]}, "v0 s0", (DeliveryOutcome.NOT_PLACED, Method.SMS, LANDLINE, False)),
        ({"v": [REFUSED], "s": [DOWN]}, "v0 s0", (DeliveryOutcome.NOT_PLACED, Method.SMS, LANDLINE, True)),
        (
            {"v": [REJECTED] * 2, "s": [REJECTED] * 2},
            "v0 v1 s0 s1",
            (DeliveryOutcome.NUMBER_REJECTED, Method.SMS, MOBILE, True),
        ),
        ({"v": [DOWN], "s": [REJECTED] * 2}, "v0 s0 s1", (DeliveryOutcome.NOT_PLACED, Method.SMS, MOBILE, True)),
        ({"v": [Indeterminate("u")], "s": []}, "v0", (DeliveryOutcome.INDETERMINATE, Method.VOICE, LANDLINE, False)),
    ],
)
async def test_the_other_method_is_used_where_nothing_can_have_been_delivered(answers, asked, expected):
    requests = []

    async def may_deliver(request, *, counted):
        return True

    providers = {
        Method.VOICE: {"v": FakeProvider(*answers["v"], name="v")},
        Method.SMS: {"s": FakeProvider(*answers["s"], name="s")},
    }
    request = DeliveryRequest(LANDLINE, CodeMessage("en", "ACME", "123456"), 30)
    report = lambda name, tried, _: requests.append(f"{name}{NUMBERS.index(tried.phone)}")  # noqa: E731
    placement = await deliver(request, NUMBERS[:2], list(Method)[:2], providers, may_deliver, report, 0.0)
    assert asked == " ".join(requests)
    assert expected == (placement.result, placement.method, placement.phone, placement.refused)


UNABLE = NumberRejected("cannot", sent=False)


@pytest.mark.parametrize(
    ("answers", "asked", "expected"),
    [
        ({"a": [UNABLE], "b": []}, "a0 b0", (DeliveryOutcome.PLACED, LANDLINE, False)),
        ({"a": [UNABLE], "b": [DOWN]}, "a0 b0 a1", (DeliveryOutcome.PLACED, MOBILE, False)),
        ({"a": [DOWN], "b": [UNABLE]}, "a0 b0 a1", (DeliveryOutcome.PLACED, MOBILE, False)),
        ({"a": [UNABLE], "b": [REJECTED]}, "a0 b0 a1", (DeliveryOutcome.PLACED, MOBILE, True)),
        ({"a": [UNABLE] * 2, "b": [UNABLE] * 2}, "a0 b0 a1 b1", (DeliveryOutcome.NUMBER_REJECTED, MOBILE, False)),
        ({"a": [UNABLE, DOWN], "b": [DOWN] * 2}, "a0 b0 a1 b1", (DeliveryOutcome.NOT_PLACED, MOBILE, False)),
        ({"a": [DOWN] * 2, "b": [UNABLE] * 2}, "a0 b0 a1 b1", (DeliveryOutcome.NOT_PLACED, MOBILE, False)),
    ],
)
async def test_a_provider_that_cannot_deliver_to_such_a_phone_leaves_it_to_the_next_one(answers, asked, expected):
    requests = []

    async def may_deliver(request, *, counted):
        return True

    voice = {Method.VOICE: {name: FakeProvider(*each, name=name) for name, each in answers.items()}}
    request = DeliveryRequest(LANDLINE, CodeMessage("en", "ACME", "123456"), 30)
    report = lambda name, tried, _: requests.append(f"{name}{NUMBERS.index(tried.phone)}")  # noqa: E731
    placement = await deliver(request, NUMBERS[:2], [Method.VOICE], voice, may_deliver, report, 0.0)
    assert asked == " ".join(requests)
    assert expected == (placement.result, placement.phone, placement.counted)
