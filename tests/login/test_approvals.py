"""Approvals by key press: held requests, keys, and what follows."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from radius_voice.events import Alarm, AlarmRecord, Outcome, Reason, SecondFactorMode
from radius_voice.login.calls import approvals
from radius_voice.login.codes.issued_codes import IssuedCodes
from radius_voice.login.deliveries.call_scripts import approval_script, opening_of
from radius_voice.login.deliveries.callbacks import (
    Callback,
    CallbackRequest,
    KeyPressed,
    StatusReported,
    delivery_id_in,
)
from radius_voice.login.deliveries.code_message import Say
from radius_voice.login.deliveries.requests import ApprovalQuestion, CodeMessage, Indeterminate, NumberRejected
from radius_voice.login.inputs import ApprovalEnded, ApprovalKey
from radius_voice.login.limits.configured import Limits, with_action
from radius_voice.login.model import CallRef, CallStatus, LimitAction, Method, Unavailable
from radius_voice.login.policies.policy import Remember
from radius_voice.login.session.state_machine import step
from radius_voice.login.voicemail import Voicemail
from radius_voice.messages import LANGUAGES
from radius_voice.metric_labels import CallbackResult
from radius_voice.trace import Trace
from tests.login.harness import ACCEPTED, ALICE, NOT_PLACED, FakeProvider, LoginHarness, limit, result_of

OTHER = CallRef("fake", "other")
APPROVED = (Outcome.ACCEPT, Reason.APPROVED)
NOT_ANSWERED = (Outcome.REJECT, Reason.NOT_ANSWERED)
NOT_APPROVED = (Outcome.REJECT, Reason.NOT_APPROVED)
LIMITS = Limits(
    approvals={
        "unanswered": limit("approvals.unanswered", 1, Reason.CALL_LIMIT, 60.0),
        "denied": limit("approvals.denied", 1, Reason.CALL_LIMIT, 600.0),
    }
)


APPROVED_TEXT = "The login is approved. Goodbye."
ENDED_TEXT = "This login has already ended. Goodbye."


def said(response):
    return response.result, response.content_type, response.body


class ApprovalHarness(LoginHarness):
    def __init__(self, **values: Any):
        more: dict[str, Any] = {"response_timeout": 5.0, "limits": LIMITS, **values}
        super().__init__(second_factor=SecondFactorMode.APPROVE, public_url="https://voice.example.org", **more)

    async def hold(self, **more):
        """A held request whose call is placed: a task that ends with the decision."""
        decision = await self.begin(**more)
        assert (Outcome.NO_RESPONSE, Reason.AWAITING_APPROVAL) == result_of(decision)
        assert decision.held is not None
        task = asyncio.create_task(decision.held())
        if self.provider.gate is None:
            await self.placement_stored()
        return task

    async def session(self):
        delivery = delivery_id_in(self.url().split("/")[-2])
        assert delivery is not None
        return await self.store.load(delivery.key)

    def url(self, action="key"):
        return self.provider.requests[-1].callback_url("fake", action)

    async def send(self, event, reference="fake1", url=None):
        url = self.url() if url is None else url
        delivery, action = url.rsplit("/", 2)[1:]
        callback: Any = Callback(reference, event)
        return await self.flow.on_callback("fake", CallbackRequest(url, delivery, action, callback, b""))

    async def press(self, key, **more):
        return await self.send(KeyPressed(key), **more)

    async def report(self, status, **more):
        return (await self.send(StatusReported(status), **more)).result


@pytest.fixture
def harness():
    return ApprovalHarness()


async def test_a_key_approves_a_held_request_at_once(harness):
    held = await harness.hold()
    response = await harness.press("#")
    assert (CallbackResult.COUNTED, "Speak", APPROVED_TEXT) == said(response)
    decision = await asyncio.wait_for(held, 0.3)  # before the next poll
    assert (*APPROVED, "alice", "+12*******23") == (*result_of(decision), decision.user, decision.phone)
    assert CallbackResult.COUNTED is await harness.report(CallStatus.COMPLETED)
    assert [] == harness.provider.hung_up


async def test_the_call_asks_who_logs_in_and_has_no_code(harness):
    held = await harness.hold()
    (request,) = harness.provider.requests
    assert ApprovalQuestion("the VPN", "192.0.2.9") == request.approval
    assert ("en", "ACME VPN", "") == (request.message.language, request.message.friendly_name, request.message.code)
    assert approval_script(request.message, request.approval) == opening_of(request)
    assert (4, Method.VOICE, Voicemail.OFF) == (request.ring_timeout, request.method, request.voicemail)
    assert b"" == (await harness.session()).code
    await harness.press("#")
    assert APPROVED == result_of(await held)


async def test_a_client_without_a_name_for_calls_is_named_as_in_the_configuration(harness):
    held = await harness.hold(client="branch")
    policies = harness.flow._approvals._dependencies.policies
    policies.pop("default")
    response = await harness.press("1")  # asks again, also if the policy was removed
    assert response.body.startswith("ACME VPN: someone is logging in to branch from 192.0.2.9. Press the pound key")
    await harness.press("9")
    held.cancel()


async def test_a_key_that_reaches_another_process_is_found_in_the_store(harness, monkeypatch):
    monkeypatch.setattr(approvals, "POLL_SECONDS", 0.01)
    held, store, provider = await harness.hold(), harness.store, harness.provider
    other = ApprovalHarness(providers=(provider,), clock=harness.clock)
    other.restart_with(store)
    await other.press("#")
    assert APPROVED == result_of(await held)


async def test_without_a_key_the_request_is_rejected_at_its_deadline_and_the_call_is_ended(monkeypatch):
    harness = ApprovalHarness(response_timeout=0.3)
    held = await harness.hold()
    decision = await held
    assert (*NOT_ANSWERED, "Login refused.") == (*result_of(decision), decision.text)
    await harness.flow.drain()
    assert ["fake1"] == harness.provider.hung_up
    response = await harness.press("#")
    assert (CallbackResult.LATE, "Speak", ENDED_TEXT) == said(response)


async def test_a_call_that_the_provider_accepts_after_the_deadline_is_ended():
    harness = ApprovalHarness(response_timeout=0.3)
    harness.provider.gate = asyncio.Event()
    held = await harness.hold()
    assert NOT_ANSWERED == result_of(await held)
    harness.provider.gate.set()
    await harness.flow.drain()
    assert ["fake1"] == harness.provider.hung_up


@pytest.mark.parametrize("status", [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED])
async def test_a_call_that_is_not_answered_is_rejected_at_once_and_not_repeated_for_a_while(harness, status):
    held = await harness.hold()
    await harness.report(status)
    assert NOT_ANSWERED == result_of(await asyncio.wait_for(held, 0.3))
    refused = await harness.begin()
    assert (Outcome.REJECT, Reason.CALL_LIMIT, "limits.approvals.unanswered") == (*result_of(refused), refused.rule)
    harness.clock.now += 61.0
    held = await harness.hold()
    await harness.press("#", reference="fake2")
    assert APPROVED == result_of(await held)


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "answer_not_reported"])
async def test_hanging_up_denies_the_login_for_longer(harness, answered):
    held = await harness.hold()
    if answered:
        await harness.report(CallStatus.ANSWERED)
    await harness.report(CallStatus.COMPLETED)
    assert NOT_APPROVED == result_of(await asyncio.wait_for(held, 0.3))
    harness.clock.now += 61.0
    refused = await harness.begin()
    assert (Reason.CALL_LIMIT, "limits.approvals.denied") == (refused.reason, refused.rule)
    harness.clock.now += 600.0
    assert (await harness.begin()).held is not None


async def test_an_answered_call_without_a_key_counts_as_denied_at_the_deadline():
    harness = ApprovalHarness(response_timeout=0.2)
    held = await harness.hold()
    await harness.report(CallStatus.ANSWERED)
    assert NOT_APPROVED == result_of(await held)


async def test_a_limit_that_was_used_up_meanwhile_does_not_keep_a_login_open(harness):
    held = await harness.hold()
    await harness.store.apply_limits(LIMITS.for_approval({"user": "people:alice-id"}, LimitAction.TAKE))
    await harness.report(CallStatus.BUSY)
    assert NOT_ANSWERED == result_of(await held)


async def test_without_limits_the_user_is_called_again():
    harness = ApprovalHarness(limits=Limits())
    held = await harness.hold()
    await harness.report(CallStatus.BUSY)
    assert NOT_ANSWERED == result_of(await held)
    assert (await harness.begin()).held is not None


async def test_another_key_asks_again(harness):
    held = await harness.hold()
    response = await harness.press("1")
    assert (CallbackResult.COUNTED, "AskForKey") == said(response)[:2]
    assert 3 == response.body.count("Press the pound key to approve. If it is not you, press 9.")
    assert not held.done()
    await harness.press("#")
    assert APPROVED == result_of(await held)


async def test_key_9_locks_the_user_everywhere_and_raises_an_alarm(harness):
    held = await harness.hold()
    response = await harness.press("9")
    assert "The login is refused, and your account is locked. Tell your administrator. Goodbye." == response.body
    assert (Outcome.REJECT, Reason.FRAUD_REPORTED) == result_of(await held)
    (alarm,) = (record for record in harness.records if isinstance(record, AlarmRecord))
    assert (Alarm.FRAUD_REPORTED, "alice", "vpn") == (alarm.alarm, alarm.user, alarm.client)
    await harness.report(CallStatus.COMPLETED)
    harness.clock.now += 30 * 86400.0
    assert Reason.LOCKED is (await harness.begin(client="other")).reason
    harness.second_factor = SecondFactorMode.CHALLENGE
    assert Reason.LOCKED is (await harness.begin(client="other")).reason
    reset = with_action(LimitAction.RESET, LIMITS.about({"user": "people:alice-id"}))
    await harness.store.apply_limits(reset)
    assert Reason.CALL_PLACED is (await harness.begin()).reason


async def test_a_report_of_fraud_refuses_the_code_of_an_open_login_at_another_client(harness):
    harness.second_factor = SecondFactorMode.CHALLENGE
    challenge = await harness.begin(client="other")
    await harness.provider.placements_started.acquire()
    await harness.report(CallStatus.COMPLETED, url=harness.url("status"))
    harness.second_factor = SecondFactorMode.APPROVE
    held = await harness.hold()
    await harness.press("9", reference="fake2")
    assert Reason.FRAUD_REPORTED is (await held).reason
    code = harness.provider.codes[0]
    assert Reason.LOCKED is (await harness.answer(code, challenge, client="other")).reason


async def test_a_locked_user_cannot_approve(harness):
    held = await harness.hold()
    await harness.store.apply_limits(LIMITS.for_fraud_report({"user": "people:alice-id"}))
    response = await harness.press("#")
    assert ENDED_TEXT == response.body
    assert (Outcome.REJECT, Reason.LOCKED) == result_of(await held)


async def test_a_second_request_of_the_user_is_rejected_and_joins_nothing(harness):
    held = await harness.hold()
    for more in ({}, {"calling_station_id": "192.0.2.77"}, {"client": "other"}):
        assert (Outcome.REJECT, Reason.BUSY) == result_of(await harness.begin(**more))
    await harness.press("#")
    assert APPROVED == result_of(await held)
    assert 1 == len(harness.provider.requests)


@pytest.mark.parametrize("policy", [{}, {"first_factor": None}], ids=["verified", "verified_by_gateway"])
async def test_a_copy_of_the_held_request_at_another_node_gets_no_response_and_no_call(policy):
    harness = ApprovalHarness(policy=policy)
    held = await harness.hold(packet=b"p" * 16)
    copy = await harness.begin(packet=b"p" * 16)
    assert (Outcome.NO_RESPONSE, Reason.AWAITING_APPROVAL, None) == (*result_of(copy), copy.held)
    await harness.press("#")
    assert APPROVED == result_of(await held)
    await harness.report(CallStatus.COMPLETED)
    assert (Outcome.REJECT, Reason.REPLAY) == result_of(await harness.begin(packet=b"p" * 16))
    assert 1 == len(harness.provider.requests)


async def test_a_session_that_waits_for_a_code_is_not_joined(harness):
    harness.second_factor = SecondFactorMode.CHALLENGE
    challenge = await harness.begin()
    harness.second_factor = SecondFactorMode.APPROVE
    assert Reason.BUSY is (await harness.begin()).reason
    await harness.report(CallStatus.BUSY, url=harness.url("status"))
    held = await harness.begin()
    assert held.held is not None
    assert Reason.UNKNOWN_STATE is (await harness.answer(harness.provider.codes[0], challenge)).reason


async def test_an_abandoned_session_blocks_the_user_no_longer_than_its_call(harness):
    held = await harness.hold()
    held.cancel()
    harness.clock.now += 6.0
    assert Reason.BUSY is (await harness.begin()).reason
    harness.clock.now += 140.0
    assert (await harness.begin()).held is not None


async def test_a_key_after_the_deadline_has_no_effect_in_an_abandoned_session(harness):
    held = await harness.hold()
    held.cancel()
    harness.clock.now += 6.0
    assert ENDED_TEXT == (await harness.press("#")).body
    assert (await harness.session()).result is None


async def test_a_session_that_another_one_replaced_was_not_approved(harness, monkeypatch):
    monkeypatch.setattr(approvals, "POLL_SECONDS", 0.01)
    held = await harness.hold()
    session = await harness.session()
    await harness.store.compare_and_swap(session, replace(session, id="another", version=9))
    assert NOT_APPROVED == result_of(await held)


@pytest.mark.parametrize("approved", [True, False])
async def test_an_outage_of_the_store_delays_the_result(harness, monkeypatch, approved):
    monkeypatch.setattr(approvals, "POLL_SECONDS", 0.01)
    harness = ApprovalHarness(response_timeout=0.3)
    held, load = await harness.hold(), harness.store.load
    swap, down = harness.store.compare_and_swap, asyncio.Event()

    async def fail(*_):
        down.set()
        raise Unavailable("store", "down")

    harness.store.load = fail
    await down.wait()
    if approved:
        harness.store.load = load
        await harness.press("#")
        assert APPROVED == result_of(await held)
    else:
        harness.store.compare_and_swap = fail
        assert (Outcome.NO_RESPONSE, Reason.STORE_UNAVAILABLE) == result_of(await held)
        harness.store.load, harness.store.compare_and_swap = load, swap


async def test_a_stopping_service_rejects_held_requests_and_charges_no_limit(harness):
    held = await harness.hold()
    harness.flow.interrupt()
    assert (Outcome.REJECT, Reason.INTERRUPTED) == result_of(await asyncio.wait_for(held, 0.3))
    await harness.flow.drain()
    assert ["fake1"] == harness.provider.hung_up


@pytest.mark.parametrize(
    ("results", "reason"), [([NOT_PLACED], Reason.DELIVERY_FAILED), ([NumberRejected("x")] * 2, Reason.NUMBER_REJECTED)]
)
async def test_a_call_that_no_provider_places_is_rejected_at_once(results, reason):
    harness = ApprovalHarness(providers=(FakeProvider(*results),))
    decision = await harness.begin()
    assert (Outcome.REJECT, reason) == result_of(await asyncio.wait_for(decision.held(), 0.3))


async def test_a_call_of_which_it_is_not_known_whether_it_was_placed_may_be_approved():
    harness = ApprovalHarness(providers=(FakeProvider(Indeterminate("reset")),))
    decision = await harness.begin()
    held = asyncio.create_task(decision.held())
    await harness.provider.placements_started.acquire()
    await harness.press("#", reference="fake7")
    assert APPROVED == result_of(await held)
    assert "fake7" == (await harness.session()).delivery.ref.reference


async def test_a_failed_placement_leaves_the_request_held():
    harness = ApprovalHarness(providers=(FakeProvider(RuntimeError()),), response_timeout=0.3)
    decision = await harness.begin()
    assert NOT_ANSWERED == result_of(await decision.held())


async def test_the_phone_rings_only_until_the_deadline():
    harness = ApprovalHarness(response_timeout=60.0)
    held = await harness.hold()
    assert 30 == harness.provider.requests[0].ring_timeout
    await harness.press("#")
    assert APPROVED == result_of(await held)


async def test_a_user_who_was_disabled_meanwhile_cannot_approve(harness):
    held = await harness.hold()
    harness.directory.users = {"alice": replace(ALICE, disabled=True)}
    assert ENDED_TEXT == (await harness.press("#")).body
    assert (Outcome.REJECT, Reason.DISABLED) == result_of(await held)


async def test_an_approval_while_the_directory_is_unavailable_is_not_accepted(harness):
    held = await harness.hold()
    harness.directory.unavailable = True
    await harness.press("#")
    assert (Outcome.REJECT, Reason.IDENTITY_UNAVAILABLE) == result_of(await held)


async def test_an_approval_under_a_policy_that_was_removed_is_not_accepted(harness):
    held = await harness.hold()
    policies = harness.flow._approvals._dependencies.policies
    kept = dict(policies)
    policies.clear()
    await harness.press("#")
    policies.update(kept)
    assert (Outcome.REJECT, Reason.EXPIRED) == result_of(await held)


async def test_a_code_of_the_help_desk_is_not_asked_for(harness):
    keys, store, clock = harness.flow._approvals._dependencies.keys, harness.store, harness.clock
    await IssuedCodes(keys, store, clock).issue("people:alice-id", 600.0)
    held = await harness.hold()
    await harness.press("#")
    assert APPROVED == result_of(await held)


async def test_an_approved_login_is_remembered_and_a_reported_one_forgotten():
    harness = ApprovalHarness(policy={"remember": Remember((), 3600.0)})
    held = await harness.hold()
    await harness.press("#")
    assert APPROVED == result_of(await held)
    await harness.report(CallStatus.COMPLETED)
    assert (Outcome.ACCEPT, Reason.REMEMBERED) == result_of(await harness.begin())
    held = await harness.hold(calling_station_id="192.0.2.77")
    await harness.press("9", reference="fake2")
    assert Reason.FRAUD_REPORTED is (await held).reason
    await harness.report(CallStatus.COMPLETED, reference="fake2")
    assert Reason.LOCKED is (await harness.begin()).reason


async def test_a_returning_user_approves(harness):
    for number in (1, 2):
        held = await harness.hold()
        await harness.press("#", reference=f"fake{number}")
        assert APPROVED == result_of(await held)
        await harness.report(CallStatus.COMPLETED, reference=f"fake{number}")
    assert (await harness.session()).returning


async def test_a_key_in_a_call_with_a_code_has_no_effect():
    harness = LoginHarness(public_url="https://voice.example.org")
    challenge = await harness.begin()
    url = harness.provider.requests[0].callback_url("fake", "key")
    callback: Any = Callback("fake1", KeyPressed("#"))
    request = CallbackRequest(url, url.split("/")[-2], "key", callback, b"")
    assert CallbackResult.LATE is (await harness.flow.on_callback("fake", request)).result
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))


async def test_a_key_of_a_provider_that_was_removed_is_foreign(harness):
    held = await harness.hold()
    receivers = harness.flow._approvals._dependencies.callback_receivers
    kept = receivers.pop("fake")
    assert CallbackResult.FOREIGN is (await harness.press("#")).result
    receivers["fake"] = kept
    await harness.press("#")
    assert APPROVED == result_of(await held)


async def test_an_end_of_another_session_or_delivery_has_no_effect(harness):
    held = await harness.hold()
    session = await harness.session()
    for event in (ApprovalEnded("another", 1), ApprovalEnded(session.id, 2), ApprovalKey(session.id, 1, "#", OTHER)):
        assert step(session, event, harness.clock.now).session is None
    assert step(None, ApprovalEnded("another", 1), 0.0).session is None
    await harness.press("#")
    assert APPROVED == result_of(await held)


@pytest.mark.parametrize("station", ["", "192.0.2.9", "x" * 100])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_question_names_service_gateway_and_calling_station(language, station):
    script = approval_script(CodeMessage(language, "ACME VPN", ""), ApprovalQuestion("the {gateway}", station))
    asked, keys, *_ = (line.text for line in script.lines if isinstance(line, Say))
    assert "ACME VPN" in asked
    assert "the {gateway}" in asked
    assert station[:64] in asked
    assert not station or station[:65] not in asked or len(station) < 65
    assert "9" in keys


async def test_a_state_is_neither_issued_nor_accepted(harness):
    held = await harness.hold()
    session = await harness.session()
    state = harness.flow._approvals._dependencies.keys.first_state(session.key, b"f" * 16)
    for typed in ("", "000000", "phone", "right"):
        refused = await harness.flow.respond(harness.request(typed, state=state), Trace(0.0, harness.clock))
        assert Outcome.REJECT is refused.outcome
    await harness.press("#")
    assert APPROVED == result_of(await held)
