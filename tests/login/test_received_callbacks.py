"""What callbacks change, and what the provider gets in response."""

import asyncio

import pytest
from msgspec.structs import replace

from radius_voice.events import CallbackRecord, CallStatusRecord, Mode, Reason, ServiceRecord
from radius_voice.login.deliveries.callbacks import (
    Callback,
    CallbackRequest,
    CallbackResponse,
    DeliveryId,
    StatusReported,
    Unusable,
    delivery_id_in,
)
from radius_voice.login.deliveries.requests import Indeterminate, NotPlaced
from radius_voice.login.model import CallStatus, Method, Unavailable
from radius_voice.login.policies.roll_out import ReportMode
from radius_voice.metric_labels import CallbackResult
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, result_of

URL = "https://voice.example.org"
ANSWERED, BUSY = StatusReported(CallStatus.ANSWERED), StatusReported(CallStatus.BUSY)


@pytest.fixture
def harness():
    return LoginHarness(public_url=URL)


def delivery_of(harness, number=-1):
    """The delivery in the URL that the provider got for a call."""
    url = harness.provider.requests[number].callback_url("fake", "status")
    prefix, provider, delivery, action = url.rsplit("/", 3)
    assert (URL, "fake", "status") == (prefix, provider, action)
    return delivery


async def received(harness, callback, delivery=None, provider="fake"):
    delivery = delivery_of(harness) if delivery is None else delivery
    response = await harness.flow.on_callback(provider, CallbackRequest("", delivery, "status", callback, b""))
    counted = harness.records[-1]
    assert (CallbackRecord, provider, response.result) == (type(counted), counted.provider, counted.result)
    return response.result


def statuses(harness):
    return [record.status for record in harness.records if isinstance(record, CallStatusRecord)]


def test_a_delivery_is_identified_without_code_phone_or_secret():
    delivery = DeliveryId(bytes(range(16)), "0123456789abcdef", 12)
    text = "000102030405060708090a0b0c0d0e0f.0123456789abcdef.12"
    assert text == str(delivery)
    assert delivery == delivery_id_in(text)


@pytest.mark.parametrize(
    "text", ["", "x", "0" * 32, f"{'0' * 32}.{'0' * 16}.0", f"{'G' * 32}.{'0' * 16}.1", f"{'0' * 31}.{'0' * 16}.1"]
)
def test_another_text_is_no_delivery(text):
    assert delivery_id_in(text) is None


def test_no_repr_holds_a_body():
    response = CallbackResponse(CallbackResult.COUNTED, "text/xml", "1 2 3 4")
    assert "CallbackResponse(counted)" == repr(response)
    assert "CallbackRequest(key)" == repr(CallbackRequest("", "", "key", {}, b"Digits=1"))


async def test_the_record_of_a_status_has_the_mode_of_the_policy():
    pilot = replace(ALICE, groups=frozenset({"pilot"}))
    mode = ReportMode(("policies", "default", "mode"), 2_000_000.0, frozenset({"pilot"}))
    harness = LoginHarness(directory=FakeDirectory(pilot), policy={"report_mode": mode}, public_url=URL)
    await harness.begin()
    await received(harness, Callback("fake1", ANSWERED))
    assert [Mode.REPORT] == [record.mode for record in harness.records if isinstance(record, CallStatusRecord)]


async def test_a_status_reaches_the_session_and_calls_are_not_polled(harness):
    await harness.begin()
    assert 0 == len(harness.flow.follower)
    assert CallbackResult.COUNTED is await received(harness, Callback("fake1", ANSWERED))
    assert ["answered"] == statuses(harness)
    delivery = delivery_id_in(delivery_of(harness))
    assert delivery is not None
    session = await harness.store.load(delivery.key)
    assert (harness.clock.now, harness.clock.now + 120) == (session.delivery.answered_at, session.code_until)


async def test_a_callback_before_the_response_of_the_provider_counts(harness):
    harness.provider.results = [RuntimeError()]
    challenge = await harness.begin()
    assert Reason.DELIVERY_INDETERMINATE is challenge.reason
    assert CallbackResult.COUNTED is await received(harness, Callback("fake9", ANSWERED))
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))
    await harness.flow.drain()
    assert ["fake9"] == harness.provider.hung_up


async def test_a_repeated_callback_has_no_effect(harness):
    await harness.begin()
    results = [await received(harness, Callback("fake1", event)) for event in (BUSY, BUSY, ANSWERED)]
    assert [CallbackResult.COUNTED, CallbackResult.LATE, CallbackResult.LATE] == results
    assert ["busy"] == statuses(harness)


async def test_a_missed_call_is_placed_again_by_the_next_request(harness):
    await harness.begin()
    assert Reason.BUSY is (await harness.begin(name="alice", calling_station_id="192.0.2.77")).reason
    await received(harness, Callback("fake1", BUSY))
    assert Reason.REDIAL is (await harness.begin()).reason
    assert CallbackResult.LATE is await received(harness, Callback("fake1", ANSWERED), delivery_of(harness, 0))
    assert CallbackResult.COUNTED is await received(harness, Callback("fake2", ANSWERED))


async def test_a_callback_of_another_call_session_or_delivery_is_foreign(harness):
    await harness.begin()
    key, session, _ = delivery_of(harness).split(".")
    foreign = [
        await received(harness, Callback("fake2", BUSY)),
        await received(harness, Callback("fake1", BUSY), "nothing"),
        await received(harness, Callback("fake1", BUSY), f"{key}.{session}.2"),
        await received(harness, Callback("fake1", BUSY), f"{key}.{'0' * 16}.1"),
        await received(harness, Callback("fake1", BUSY), f"{'0' * 32}.{session}.1"),
        await received(harness, Callback("fake1", BUSY), provider="other"),
    ]
    assert [CallbackResult.FOREIGN] * 6 == foreign
    assert [] == statuses(harness)


async def test_a_call_of_another_provider_is_foreign(harness):
    harness.flow._callbacks._dependencies.callback_receivers["second"] = harness.provider
    await harness.begin()
    assert CallbackResult.FOREIGN is await received(harness, Callback("fake1", BUSY), provider="second")


async def test_only_the_end_of_a_call_counts_after_the_login(harness):
    challenge = await harness.begin()
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))
    assert CallbackResult.LATE is await received(harness, Callback("fake1", ANSWERED))


async def test_a_removed_policy_gives_the_code_no_further_time(harness):
    harness.other_policies = {}
    await harness.begin()
    harness.flow._callbacks._dependencies.policies.clear()
    assert CallbackResult.COUNTED is await received(harness, Callback("fake1", ANSWERED))


async def test_unsigned_and_malformed_callbacks_are_counted_and_warned_of_once_a_minute(harness):
    await harness.begin()
    for _ in range(3):
        assert CallbackResult.UNSIGNED is await received(harness, Unusable.UNSIGNED)
    assert CallbackResult.MALFORMED is await received(harness, Unusable.MALFORMED)
    assert CallbackResult.UNSIGNED is await received(harness, Unusable.UNSIGNED, "no delivery")
    (warning,) = [record.detail for record in harness.records if isinstance(record, ServiceRecord)]
    assert warning.startswith("delivery.providers.fake: a callback without the provider's signature was refused")


async def test_a_callback_while_the_store_is_unavailable_is_lost_with_a_warning(harness, monkeypatch):
    await harness.begin()

    async def unavailable(_key):
        raise Unavailable("store", "down")

    monkeypatch.setattr(harness.store, "load", unavailable)
    assert CallbackResult.UNAVAILABLE is await received(harness, Callback("fake1", BUSY))
    assert ["a callback of provider fake was lost: store: down"] == [
        record.detail for record in harness.records if isinstance(record, ServiceRecord)
    ]


async def test_without_a_listener_no_callbacks_are_requested():
    harness = LoginHarness()
    await harness.begin()
    assert "" == harness.provider.requests[0].callback_url("fake")
    assert 1 == len(harness.flow.follower)
    assert CallbackResult.FOREIGN is await received(harness, Callback("fake1", BUSY), "x")


async def test_the_call_that_a_callback_names_stays_known_after_an_indeterminate_placement(harness):
    # the first answer makes the second one an event of the session
    harness.provider.results = [NotPlaced("busy"), Indeterminate("sent, then: timed out")]
    harness.by_method = {Method.VOICE: {"first": harness.provider, "fake": harness.provider}}
    harness.restart_with(harness.store)
    harness.provider.gate = asyncio.Event()
    harness.response_timeout = 0.3
    challenge = await harness.begin()
    assert CallbackResult.COUNTED is await received(harness, Callback("fake9", ANSWERED))
    harness.provider.gate.set()
    await harness.flow.drain()
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))
    await harness.flow.drain()
    assert ["fake9"] == harness.provider.hung_up
