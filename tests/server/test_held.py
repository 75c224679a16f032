"""Held requests: they take no place of other requests, and are bounded in number."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from radius_voice.events import Discard, Reason, SecondFactorMode
from radius_voice.login.deliveries.callbacks import Callback, CallbackRequest, KeyPressed
from radius_voice.login.model import User
from radius_voice.login.phone import Phone
from radius_voice.radius import packet as radius
from radius_voice.server.clients import Clients
from radius_voice.server.generation import Generation, Rules
from tests.login.harness import FakeDirectory, LoginHarness
from tests.server.test_time import InProcessClient, request
from tests.support.polling import wait_in_loop

USERS = [User(f"{name}-id", name, (Phone(f"+1202555012{number}"),)) for number, name in enumerate(("alice", "bob"))]


@pytest.fixture
async def direct():
    """A server that processes one request at once, and holds one."""
    harness = LoginHarness(FakeDirectory(*USERS), public_url="https://voice.example.org")
    direct = InProcessClient(harness, rules=Rules(reject_delay=0.0, max_concurrent=1, max_queued=0, max_held=1))
    client = direct.server.client_at("192.0.2.1")
    assert client is not None
    approving = replace(client, second_factor=SecondFactorMode.APPROVE, response_timeout=5.0)
    clients = Clients([(ip_network("192.0.2.0/28"), approving), (ip_network("192.0.2.0/24"), client)])
    direct.server.use(Generation(clients, harness.flow), Rules(0.0, 10.0, 1, 0, max_held=1))
    return direct


async def called(direct):
    await direct.harness.placement_stored()


async def press(direct, key):
    placed = direct.harness.provider.requests[0]
    callback: Any = Callback("fake1", KeyPressed(key))
    await direct.harness.flow.on_callback("fake", CallbackRequest("", placed.delivery, "key", callback, b""))


async def test_a_held_request_takes_no_place_of_others(direct):
    held = request("right")
    direct.send(held)
    await called(direct)
    assert (0, 1) == (direct.server.in_progress, direct.server.held)
    direct.send(request("right", (radius.CALLING_STATION_ID, b"x"), identifier=2), ("192.0.2.100", 40000))

    async def answered():
        return direct.replies

    await wait_in_loop(answered, "the second request is answered")
    (challenge,) = direct.replies
    assert radius.ACCESS_REJECT == radius.decode(challenge).code  # the user has a live call
    await press(direct, "#")
    await direct.server.drain()
    assert radius.ACCESS_ACCEPT == radius.decode(direct.replies[-1]).code
    assert (0, 0) == (direct.server.in_progress, direct.server.held)


async def test_a_request_that_cannot_be_held_is_discarded_before_a_call(direct):
    direct.send(request("right"))
    await called(direct)
    direct.send(request("right", identifier=2))
    assert [Discard.OVERLOAD] == direct.reasons()
    assert 1 == len(direct.harness.provider.requests)
    await press(direct, "#")
    await direct.server.drain()
    assert [Discard.OVERLOAD, Reason.APPROVED] == direct.reasons()
    assert 0 == direct.server.held


async def test_a_reload_forgets_no_held_request(direct):
    held = request("right")
    direct.send(held)
    await called(direct)
    generation = direct.server._generation
    direct.server.use(generation, Rules(0.0, 0.0, 1, 0, max_held=1))
    direct.send(held)
    await press(direct, "#")
    await direct.server.drain()
    assert [Discard.DUPLICATE, Reason.APPROVED] == direct.reasons()
    direct.server.use(generation, Rules(0.0, 0.0, 1, 0, max_held=1))
    assert 0.0 == direct.server._duplicates.window


async def test_an_error_while_a_request_is_held_affects_no_other_one(direct, monkeypatch):
    async def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(direct.harness.flow._approvals, "_ended_session", fail)
    direct.send(request("right"))
    await direct.server.drain()
    assert [Reason.INTERNAL_ERROR] == direct.reasons()
    assert (0, 0) == (direct.server.in_progress, direct.server.held)
