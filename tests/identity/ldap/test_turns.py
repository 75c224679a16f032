"""Which request is next when every connection is in use."""

import asyncio
import time

from radius_voice.identity.ldap import turns
from radius_voice.identity.ldap.turns import Turns
from radius_voice.identity.passwords import Turn

FOREVER = 5.0


async def taken(order, slots, name, turn, seconds=FOREVER):
    if await slots.take(turn, time.monotonic() + seconds):
        order.append(name)
        slots.end()
        return True
    return False


async def test_a_flood_from_one_place_delays_neither_other_places_nor_returning_users():
    slots, order = Turns(1), list[object]()
    assert await slots.take(Turn(), time.monotonic() + FOREVER)
    flood = [asyncio.create_task(taken(order, slots, "flood", Turn("attacker"))) for _ in range(50)]
    other = asyncio.create_task(taken(order, slots, "other", Turn("elsewhere")))
    returning = asyncio.create_task(taken(order, slots, "returning", Turn("attacker", returning=True)))
    await asyncio.sleep(0)
    slots.end()

    assert all(await asyncio.gather(*flood, other, returning))
    assert "returning" == order[0]
    assert "other" in order[1:3]


async def test_a_turn_that_does_not_come_in_time_is_passed_on():
    slots, order = Turns(1), list[object]()
    assert await slots.take(Turn(), time.monotonic() + FOREVER)
    assert not await slots.take(Turn(), time.monotonic() + 0.01)
    slots.end()
    assert await taken(order, slots, "next", Turn())


async def test_a_cancelled_request_keeps_no_turn():
    for wakes in False, True:
        slots, order = Turns(1), list[object]()
        assert await slots.take(Turn(), time.monotonic() + FOREVER)
        waiting = asyncio.create_task(slots.take(Turn(), time.monotonic() + FOREVER))
        await asyncio.sleep(0)
        if wakes:
            slots.end()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if not wakes:
            slots.end()
        assert await asyncio.wait_for(taken(order, slots, "next", Turn()), FOREVER)


async def test_the_number_of_waiting_requests_is_bounded(monkeypatch):
    monkeypatch.setattr(turns, "MAX_WAITING", 3)
    slots, order = Turns(1), list[object]()
    assert await slots.take(Turn(), time.monotonic() + FOREVER)
    waiting = [asyncio.create_task(taken(order, slots, n, Turn("attacker"))) for n in range(10)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    slots.end()

    assert 3 == (await asyncio.gather(*waiting)).count(True)
