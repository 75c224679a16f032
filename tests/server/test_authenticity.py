"""`auto` of `require_message_authenticator` and `limit_proxy_state`: what requests show of an address. In process."""

import pytest

from radius_voice.events import Discard, Reason
from radius_voice.login.model import Unavailable
from radius_voice.radius import packet as radius
from radius_voice.server.authenticity import MAX_ADDRESSES
from radius_voice.server.clients import Require
from radius_voice.server.generation import Rules
from radius_voice.stores.memory import MemoryStore
from tests.login.harness import Clock, LoginHarness
from tests.server.test_time import PEER, SECRET, InProcessClient, request

NEIGHBOUR = ("192.0.2.9", 40000)
PROXY_STATE = (radius.PROXY_STATE, b"added by a proxy")
EAP = (radius.EAP_MESSAGE, b"\x02\x01\x00\x05\x01")


@pytest.fixture
def store():
    return MemoryStore(Clock())


@pytest.fixture
def start(store):
    """Starts a server on the same store."""

    def started(secrets=(SECRET,), rules=None, require=Require.AUTO, limit=Require.NO):
        harness = LoginHarness()
        return InProcessClient(harness, store, require, secrets=secrets, rules=rules, limit_proxy_state=limit)

    return started


async def log_in(gateway, peer=PEER, *attributes, signed=True, identifier=1):
    """Log in, and return the requests."""
    first = request("right", *attributes, identifier=identifier, signed=signed)
    (challenge,) = await gateway.exchange(first, peer)
    state = (radius.STATE, challenge.first(radius.STATE))
    code = gateway.harness.provider.codes[-1]
    second = request(code, state, *attributes, identifier=identifier + 1, signed=signed)
    (reply,) = await gateway.exchange(second, peer)
    assert radius.ACCESS_ACCEPT == reply.code
    return first, second


async def accepts_unsigned(gateway, peer=PEER, *attributes):
    """Whether a request without Message-Authenticator gets a response; asked twice, in case the answer is kept."""
    requests = [request("x", *attributes, identifier=each, signed=False) for each in (250, 251)]
    answers = {bool(await gateway.exchange(each, peer)) for each in requests}
    assert 1 == len(answers)
    return answers.pop()


def accepts_proxy_state(gateway, peer=PEER):
    """Whether a request with Proxy-State and without Message-Authenticator gets a response."""
    return accepts_unsigned(gateway, peer, PROXY_STATE)


async def test_a_completed_login_requires_message_authenticator_of_its_address_also_after_a_restart(start):
    before, other_worker = start(), start()
    await log_in(before, signed=False)
    assert await accepts_unsigned(before)
    await log_in(before, identifier=3)
    assert not await accepts_unsigned(before)
    assert not await accepts_unsigned(other_worker)
    after = start()
    assert not await accepts_unsigned(after)
    assert [Discard.NO_MESSAGE_AUTHENTICATOR] * 2 == after.reasons()
    assert await accepts_unsigned(after, NEIGHBOUR)


async def test_recorded_requests_sent_from_another_address_require_nothing_of_it(start):
    gateway = start(rules=Rules(reject_delay=0.0, duplicate_window=0.0))
    for recorded in await log_in(gateway):
        assert 1 == len(await gateway.exchange(recorded, NEIGHBOUR))
    assert await accepts_unsigned(gateway, NEIGHBOUR)


@pytest.mark.parametrize(
    "recorded",
    [
        request("right"),
        request("wrong"),
        request("right", EAP),
        radius.encode_request(radius.STATUS_SERVER, 1, bytes(16), [], SECRET),
    ],
    ids=["first request", "wrong password", "EAP", "Status-Server"],
)
async def test_requests_that_complete_no_login_require_nothing(start, recorded):
    gateway = start()
    assert 1 == len(await gateway.exchange(recorded))
    assert await accepts_unsigned(gateway)


async def test_another_secret_forgets_the_addresses(start):
    await log_in(start())
    assert not await accepts_unsigned(start((b"the new secret", SECRET))), "while both are configured"
    assert await accepts_unsigned(start((b"the new secret",)))


async def test_a_limited_number_of_addresses_is_stored(start):
    gateway = start()
    for number in range(MAX_ADDRESSES + 1):
        await log_in(gateway, (f"192.0.2.{number + 1}", 40000))
        gateway.harness.clock.now += 600
    after = start()
    assert not await accepts_unsigned(after, (f"192.0.2.{MAX_ADDRESSES}", 40000))
    assert await accepts_unsigned(after, (f"192.0.2.{MAX_ADDRESSES + 1}", 40000))


async def test_logins_of_several_processes_are_all_stored_in_the_end(start, store, monkeypatch):
    first, second = start(), start()
    get = store.get

    async def nothing(key):
        return None

    await log_in(first)
    monkeypatch.setattr(store, "get", nothing)  # both have read the store before either has written
    await log_in(second, NEIGHBOUR)
    monkeypatch.setattr(store, "get", get)
    await log_in(first, identifier=3)
    after = start()
    assert not await accepts_unsigned(after)
    assert not await accepts_unsigned(after, NEIGHBOUR)


async def test_a_completed_login_is_accepted_while_the_addresses_cannot_be_stored(start, store, monkeypatch):
    async def unavailable(key):
        raise Unavailable("store", "down")

    gateway = start()
    with monkeypatch.context() as patch:
        patch.setattr(store, "get", unavailable)
        await log_in(gateway)
        assert [] == await gateway.exchange(request("right", identifier=9, signed=False))
    assert Reason.STORE_UNAVAILABLE == gateway.reasons()[-1]
    await log_in(gateway, identifier=3)
    assert not await accepts_unsigned(gateway)


@pytest.mark.parametrize("signed", [True, False])
async def test_a_completed_login_without_proxy_state_shows_that_its_address_is_no_proxy(start, signed):
    def server():
        return start(require=Require.NO, limit=Require.AUTO)

    before, other_worker = server(), server()
    assert await accepts_proxy_state(before)
    await log_in(before, signed=signed)
    assert not await accepts_proxy_state(before)
    assert await accepts_unsigned(before)
    assert not await accepts_proxy_state(other_worker)
    after = server()
    assert not await accepts_proxy_state(after)
    assert [Discard.UNSIGNED_PROXY_STATE] * 2 == after.reasons()
    assert await accepts_proxy_state(after, NEIGHBOUR)


async def test_a_proxy_that_sends_no_message_authenticator_stays_allowed(start):
    gateway = start(require=Require.NO, limit=Require.AUTO)
    await log_in(gateway, PEER, PROXY_STATE, signed=False)
    assert await accepts_proxy_state(gateway)
    await log_in(gateway, PEER, PROXY_STATE, identifier=3)
    assert not await accepts_proxy_state(gateway)
    (reply,) = await gateway.exchange(request("wrong", PROXY_STATE, identifier=5))
    assert PROXY_STATE in reply.attributes


async def test_another_secret_forgets_which_addresses_are_no_proxy(start):
    await log_in(start(require=Require.NO, limit=Require.AUTO), signed=False)
    assert await accepts_proxy_state(start((b"the new secret",), require=Require.NO, limit=Require.AUTO))


@pytest.mark.parametrize(("limit", "accepted"), [(Require.YES, False), (Require.NO, True)])
async def test_proxy_state_is_limited_as_configured_and_nothing_is_stored(start, store, limit, accepted):
    gateway = start(require=Require.NO, limit=limit)
    await log_in(gateway, signed=False)
    assert accepted is await accepts_proxy_state(gateway)
    assert await accepts_unsigned(gateway)
    assert await accepts_proxy_state(start(require=Require.NO, limit=Require.AUTO))


async def test_a_login_is_not_processed_while_the_store_cannot_say_whether_its_address_is_a_proxy(
    start, store, monkeypatch
):
    async def unavailable(key):
        raise Unavailable("store", "down")

    gateway = start(require=Require.NO, limit=Require.AUTO)
    monkeypatch.setattr(store, "get", unavailable)
    assert [] == await gateway.exchange(request("right", PROXY_STATE, signed=False))
    assert [Reason.STORE_UNAVAILABLE] == gateway.reasons()
