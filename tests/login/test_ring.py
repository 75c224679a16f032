import itertools

from hypothesis import given
from hypothesis import strategies as st

from radius_voice.events import CallResult
from radius_voice.login.model import NotPlaced, Order, Placed, RefusedNumber, Script, Unknown
from radius_voice.login.phone import Phone
from radius_voice.login.ring import place_call
from tests.login.fakes import Phones

ANSWERS = [Placed("r"), RefusedNumber("n"), NotPlaced("p"), Unknown("u")]
NUMBERS = tuple(Phone(f"+1202555012{n}") for n in range(3))


@given(st.lists(st.sampled_from(ANSWERS), min_size=12, max_size=12), st.sets(st.sampled_from(NUMBERS)))
async def test_whatever_providers_answer_nothing_rings_twice(answers, forbidden):
    asked = []
    script = itertools.cycle(answers)

    class Provider(Phones):
        async def place(self, order, deadline):
            answer = next(script)
            asked.append((order.phone, answer))
            return answer

    async def may_ring(phone):
        return phone not in forbidden

    order = Order(NUMBERS[0], Script("en", "ACME", "123456"), 30, "login")
    reports = []
    providers = {"a": Provider(), "b": Provider()}
    rung = await place_call(order, NUMBERS, providers, may_ring, lambda *report: reports.append(report), 0.0)
    may_ring_now = [answer for _, answer in asked if isinstance(answer, Placed | Unknown)]
    assert len(may_ring_now) <= 1
    assert not may_ring_now or may_ring_now[0] is asked[-1][1]
    assert (rung.result in {CallResult.PLACED, CallResult.UNKNOWN}) == bool(may_ring_now)
    assert forbidden.isdisjoint(phone for phone, _ in asked if phone != NUMBERS[0])
    assert len(reports) == len(asked)
