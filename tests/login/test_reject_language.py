"""A reject is in the user's language only in response to a challenge that this user has got."""

import pytest

from radius_voice.events import Outcome, Reason
from radius_voice.login.deliveries.requests import NotPlaced
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import User
from radius_voice.login.phone import Phone
from radius_voice.login.texts.reply_message import rejected
from radius_voice.messages import SHIPPED
from tests.login.harness import FakeDirectory, FakeProvider, LoginHarness, limit

BERTA = User("berta-id", "berta", (Phone("+4915112345678"),), language="de-AT")
REJECTED, GERMAN = rejected(SHIPPED.messages_for("en")), rejected(SHIPPED.messages_for("de"))


@pytest.fixture
def server():
    return LoginHarness(directory=FakeDirectory(BERTA))


async def begin(server, *words, **more):
    return await server.begin(*words, name="berta", **more)


async def answer(server, typed, challenge, **more):
    return await server.answer(typed, challenge, **{"name": "berta"} | more)


async def test_rejects_of_initial_requests_have_one_text_whatever_their_reason(server):
    rejects = [
        await begin(server, "wrong"),
        await server.begin(name="unknown"),
    ]
    assert Outcome.CHALLENGE == (await begin(server)).outcome
    rejects.append(await begin(server, calling_station_id="198.51.100.7"))
    assert [Reason.WRONG_PASSWORD, Reason.UNKNOWN_USER, Reason.BUSY] == [each.reason for each in rejects]
    assert {REJECTED} == {each.text for each in rejects}


@pytest.mark.parametrize("changes", [{"disabled": True}, {"phones": ()}])
async def test_a_reject_for_a_user_who_may_not_log_in_is_not_in_their_language(changes):
    values = {"id": "berta-id", "name": "berta", "phones": BERTA.phones, "language": "de"}
    server = LoginHarness(directory=FakeDirectory(User(**values | changes)))
    decision = await begin(server)
    assert (Outcome.REJECT, REJECTED) == (decision.outcome, decision.text)


async def test_a_reject_after_a_right_password_and_a_failed_call_is_not_in_the_users_language():
    server = LoginHarness(directory=FakeDirectory(BERTA), providers=(FakeProvider(NotPlaced("down")),))
    decision = await begin(server)
    assert (Reason.DELIVERY_FAILED, REJECTED) == (decision.reason, decision.text)


async def test_the_reject_of_the_last_wrong_code_and_its_repetition_are_in_the_users_language(server):
    challenge = await begin(server)
    for _ in range(2):
        challenge = await answer(server, "no code", challenge)
        assert "Geben Sie" in challenge.text
    decision, repeated = await answer(server, "no code", challenge), await answer(server, "no code", challenge)
    assert [(Reason.NO_ATTEMPTS_LEFT, GERMAN), (Reason.REPEATED, GERMAN)] == [
        (each.reason, each.text) for each in (decision, repeated)
    ]


async def test_the_reject_of_a_session_that_was_replaced_is_repeated_in_the_users_language(server):
    challenge = await begin(server)
    for _ in range(2):
        challenge = await answer(server, "no code", challenge)
    decision = await answer(server, "no code", challenge)
    server.clock.now += 1
    assert Outcome.CHALLENGE == (await begin(server)).outcome
    repeated = await answer(server, "no code", challenge)
    assert (Reason.REPEATED, decision.text) == (repeated.reason, repeated.text)


async def test_a_state_that_was_issued_to_another_user_or_client_gets_the_text_for_all(server):
    challenge = await begin(server)
    for more in ({"client": "other"}, {"name": "alice"}):
        decision = await answer(server, "123456", challenge, **more)
        assert (Reason.UNKNOWN_STATE, REJECTED) == (decision.reason, decision.text)
    forged = challenge.state[:-1] + bytes([challenge.state[-1] ^ 1])
    decision = await answer(server, "123456", forged)
    assert (Reason.UNKNOWN_STATE, REJECTED) == (decision.reason, decision.text)


async def test_the_reject_of_a_user_who_is_locked_during_the_login_is_in_their_language():
    server = LoginHarness(
        directory=FakeDirectory(BERTA), limits=Limits(codes={"user": limit("codes", 1, Reason.LOCKED)})
    )
    challenge = await begin(server)
    challenge = await answer(server, "no code", challenge)
    decision = await answer(server, "no code", challenge)
    assert (Reason.LOCKED, GERMAN) == (decision.reason, decision.text)
