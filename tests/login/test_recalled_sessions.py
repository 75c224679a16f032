"""A process recalls the sessions that it has stored; what another node has changed since then still counts."""

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.session import sessions
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, result_of


@pytest.fixture
def harness():
    return LoginHarness()


def at_another_node(harness):
    """The harness's other node, which shares its store, and its first one."""
    first = harness.flow
    harness.restart_with(harness.store)
    return harness.flow, first


async def test_an_attempt_at_another_node_counts(harness):
    challenge = await harness.begin()
    other, first = at_another_node(harness)
    wrong = await harness.answer("000000", challenge)
    harness.flow = first
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(await harness.answer(harness.provider.codes[0], challenge))
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], wrong))
    harness.flow = other
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(await harness.answer(harness.provider.codes[0], wrong))


async def test_a_call_that_ended_at_another_node_makes_no_user_busy(harness):
    challenge = await harness.begin()
    _, first = at_another_node(harness)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))
    await harness.flow.drain()
    harness.flow = first
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == result_of(await harness.begin(calling_station_id="192.0.2.10"))


async def test_the_phone_that_another_node_has_called_is_looked_up_in_the_directory():
    harness = LoginHarness(FakeDirectory(ALICE))
    challenge, joined = await harness.begin(), await harness.begin()
    _, first = at_another_node(harness)
    await harness.answer("phone2", joined)
    harness.directory.users["alice"] = replace(ALICE, phones=ALICE.phones[:1])
    harness.flow = first
    changed = await harness.answer(harness.provider.codes[-1], challenge)
    assert (Outcome.REJECT, Reason.PHONE_CHANGED) == result_of(changed)


async def test_a_session_that_is_no_longer_recalled_is_loaded(harness, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_RECALLED", 0)
    challenge = await harness.begin()
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))
