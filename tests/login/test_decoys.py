"""Decoys: challenges for users who cannot log in, with nothing that distinguishes them from those of other users."""

import dataclasses
from itertools import product

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.deliveries.requests import Placed
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import CallStatus, LimitOperation, Method
from radius_voice.login.phone import NumberRules, Phone
from radius_voice.login.voicemail import Voicemail
from radius_voice.trace import Trace
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, FakeProvider, LoginHarness, limit, result_of

FRANK = replace(ALICE, id="frank-id", name="frank")
DISABLED = replace(ALICE, id="carol-id", name="carol", disabled=True, language="de")
WITHOUT_PHONE = replace(ALICE, id="dave-id", name="dave", phones=())
FORBIDDEN = replace(ALICE, id="erin-id", name="erin", phones=(Phone("+4930123456"),))
DECOYS = {"first_factor": None, "first_factor_name": "none", "decoys": True, "numbers": NumberRules(frozenset({"US"}))}
RING_SECONDS = 30
DECOY = (Outcome.CHALLENGE, Reason.DECOY)


def new_harness(**more):
    directory = FakeDirectory(ALICE, FRANK, DISABLED, WITHOUT_PHONE, FORBIDDEN)
    return LoginHarness(directory, policy=DECOYS, **more)


@pytest.fixture
def harness():
    return new_harness()


async def begin(harness, **more):
    trace = Trace(0.0, harness.clock)
    decision = await harness.flow.begin(harness.request("ignored", **more), trace)
    return decision, [(step.name, step.detail) for step in trace.steps]


@pytest.mark.parametrize(
    ("name", "user", "reason"),
    [
        ("hunter2", "", "unknown_user"),
        ("carol", "carol", "disabled"),
        ("dave", "dave", "no_phone"),
        ("erin", "erin", "number_not_allowed"),
    ],
)
async def test_a_user_who_cannot_log_in_is_challenged_without_a_call_and_the_record_says_so(
    harness, name, user, reason
):
    decision, steps = await begin(harness, name=name)
    assert (DECOY, user, "") == (result_of(decision), decision.user, decision.phone)
    assert [("decoy", reason), ("session", "opened")] == steps
    assert [] == harness.provider.requests
    assert [] == harness.records


async def test_a_decoy_looks_like_the_challenge_of_a_user(harness):
    real, decoy = await harness.begin("ignored"), await harness.begin("ignored", name="unknown")
    assert len(real.state) == len(decoy.state)
    assert real.state[:1] == decoy.state[:1]
    ending = ALICE.phones[0].ending
    number = decoy.text.split("ending in ")[1][:2]
    assert real.text.replace(ending, number) == decoy.text
    assert number.isdigit()
    other = await new_harness().begin("ignored", name="UNKNOWN")
    assert decoy.text == other.text, "a name always gets the same digits"


async def test_a_user_with_a_phone_gets_its_digits_and_their_language(harness):
    decision = await harness.begin("ignored", name="carol")
    assert "23" in decision.text
    assert "ACME VPN" in decision.text
    assert (await harness.begin("ignored", name="unknown")).text[:10] != decision.text[:10]


@pytest.mark.parametrize("name", ["alice", "unknown", "carol"])
async def test_every_challenge_is_sent_at_the_deadline(harness, name):
    request = harness.request("ignored", name=name)
    decision = await harness.flow.begin(request, Trace(0.0, harness.clock))
    assert Outcome.CHALLENGE is decision.outcome
    assert request.deadline == decision.not_before
    for typed in ("phone", "wrong code"):
        again = harness.request(typed, name=name, state=decision.state)
        decision = await harness.flow.respond(again, Trace(0.0, harness.clock))
        assert Outcome.CHALLENGE is decision.outcome
        assert again.deadline == decision.not_before


async def outcomes(harness, name, *typed):
    """The outcomes and texts of a login in which that is typed, without the digits of the phone."""
    decision = await harness.begin("ignored", name=name)
    seen = [decision]
    for text in typed:
        if decision.state:
            decision = await harness.answer(text, decision, name=name)
        seen.append(decision)
    return [(each.outcome, bool(each.state), "" if "ending" in each.text else each.text) for each in seen]


@pytest.mark.parametrize(
    "typed",
    [
        ("111111", "222222", "333333"),
        ("phone", "111111", "phone", "phone", "222222", "333333"),
        ("phone1", "ignored", "nonsense", "phone9", "", "x"),
    ],
)
async def test_responses_have_the_same_results_as_those_of_a_user_who_mistypes(typed):
    real, decoy = new_harness(), new_harness()
    assert await outcomes(real, "alice", *typed) == await outcomes(decoy, "unknown", *typed)
    assert [] == decoy.provider.requests


class TextProvider(FakeProvider):
    """Accepts every text message."""

    call_control = None

    async def place(self, request, deadline):
        self.requests.append(request)
        return Placed(f"text{len(self.requests)}", live=False)


def harness_with_texts(methods, voicemail):
    calls, texts = FakeProvider(), TextProvider(name="texts")
    return LoginHarness(
        FakeDirectory(replace(ALICE, phones=ALICE.phones[:1])),
        (calls,),
        policy=DECOYS | {"methods": methods, "voicemail": voicemail},
        by_method={Method.VOICE: {"fake": calls}, Method.SMS: {"texts": texts}},
    )


async def outcomes_after(harness, name, responses):
    """The outcomes and texts of a login whose `responses` follow after so many seconds. No call is answered."""
    decision = await harness.begin("ignored", name=name)
    seen = [decision]
    for seconds, typed in responses:
        harness.clock.now += seconds
        if seconds > RING_SECONDS:
            ended = {f"fake{number}": CallStatus.NO_ANSWER for number in range(1, len(harness.provider.requests) + 1)}
            harness.provider.statuses = ended
            await harness.flow.follower.poll()
            await harness.flow.drain()
        if typed and decision.state:
            decision = await harness.answer(typed, decision, name=name)
        else:
            decision = await harness.begin("ignored", name=name)
        seen.append(decision)
    return [(each.outcome, bool(each.state), "" if "ending" in each.text else each.text) for each in seen]


@pytest.mark.parametrize("voicemail", [Voicemail.OFF, Voicemail.PRESS])
@pytest.mark.parametrize(
    "methods",
    [(Method.SMS,), (Method.VOICE,), (Method.SMS, Method.VOICE), (Method.VOICE, Method.SMS)],
    ids="-".join,
)
async def test_at_any_time_and_by_any_method_responses_have_the_same_results_as_those_of_a_user(methods, voicemail):
    typed = ["", "111111", "phone", "sms", "sms2"]
    for first, second in product((1, RING_SECONDS + 1, 100, 130, 200, 240, 300, 355, 370), (1, RING_SECONDS + 1)):
        for words in product(typed, repeat=2):
            responses = list(zip((first, second), words, strict=True))
            real, decoy = harness_with_texts(methods, voicemail), harness_with_texts(methods, voicemail)
            seen = await outcomes_after(real, "alice", responses)
            assert seen == await outcomes_after(decoy, "unknown", responses), responses
            assert [] == decoy.provider.requests


async def test_no_code_is_right_even_if_it_is_fixed(harness):
    harness.flow._dependencies = dataclasses.replace(harness.flow._dependencies, new_code=lambda _: "123456")
    for name in ("unknown", "carol"):
        decision = await harness.begin("ignored", name=name)
        decision = await harness.answer("phone", decision, name=name)
        answers = []
        for _ in range(3):
            decision = await harness.answer("123456", decision, name=name)
            answers.append(decision.reason)
        assert [Reason.WRONG_CODE, Reason.WRONG_CODE, Reason.NO_ATTEMPTS_LEFT] == answers


async def test_a_final_reject_is_repeated_and_another_login_can_follow_at_once(harness):
    challenge = await harness.begin("ignored", name="unknown")
    for code in ("1", "2"):
        challenge = await harness.answer(code, challenge, name="unknown")
    last = await harness.answer("3", challenge, name="unknown")
    again = await harness.answer("3", challenge, name="unknown")
    assert (Outcome.REJECT, last.text) == (again.outcome, again.text)
    assert DECOY == result_of(await harness.begin("ignored", name="unknown"))


async def test_a_second_request_joins_and_one_from_elsewhere_is_busy_until_the_call_would_have_ended(harness):
    await harness.begin("ignored", name="unknown")
    assert Reason.JOINED is (await harness.begin("ignored", name="Unknown ")).reason
    assert Reason.BUSY is (await harness.begin("ignored", name="unknown", calling_station_id="x")).reason
    assert Reason.BUSY is (await harness.begin("ignored", name="unknown", client="other")).reason
    harness.clock.now += 31
    challenge = await harness.begin("ignored", name="unknown", calling_station_id="x")
    assert DECOY == result_of(challenge) == result_of(await harness.answer("phone", challenge, name="unknown"))
    assert Reason.BUSY is (await harness.begin("ignored", name="unknown", calling_station_id="y")).reason
    harness.clock.now += 31
    assert DECOY == result_of(await harness.begin("ignored", name="unknown", calling_station_id="y"))


async def test_the_state_of_a_decoy_is_of_no_use_under_another_name(harness):
    decoy, real = await harness.begin("ignored", name="unknown"), await harness.begin("ignored")
    code = harness.provider.codes[0]
    for name, challenge in (("alice", decoy), ("other", decoy), ("unknown", real)):
        refused = await harness.answer(code, challenge, name=name)
        assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(refused)
    assert ACCEPTED == result_of(await harness.answer(code, real))


async def test_decoys_take_limits_of_their_own_and_check_those_that_are_shared():
    calls = {scope: limit(f"calls.{scope}", 2, Reason.CALL_LIMIT) for scope in ("user", "client", "total")}
    harness = new_harness(limits=Limits(calls=calls))
    for _ in range(2):
        assert DECOY == result_of(await harness.begin("ignored", name="unknown"))
        harness.clock.now += 31
    assert Reason.CALL_LIMIT is (await harness.begin("x", name="unknown", calling_station_id="x")).reason
    assert Reason.CALL_PLACED is (await harness.begin("ignored")).reason, "nothing shared was taken"
    assert DECOY == result_of(await harness.begin("ignored", name="another"))
    assert Reason.CALL_PLACED is (await harness.begin("ignored", name="frank")).reason
    assert Reason.CALL_LIMIT is (await harness.begin("ignored", name="third")).reason, "shared limits hold for decoys"


async def test_the_number_of_decoys_is_limited(harness, monkeypatch):
    few = LimitOperation(limit("decoys", 2, Reason.CALL_LIMIT), "total")
    monkeypatch.setattr("radius_voice.login.flow.NEW_DECOYS", few)
    results = [result_of(await harness.begin("ignored", name=name)) for name in ("one", "two", "three")]
    assert [DECOY, DECOY, (Outcome.REJECT, Reason.CALL_LIMIT)] == results
    assert Reason.CALL_PLACED is (await harness.begin("ignored")).reason


async def test_a_directory_that_is_down_gets_no_response(harness):
    challenge = await harness.begin("ignored", name="unknown")
    harness.directory.unavailable = True
    assert Reason.IDENTITY_UNAVAILABLE is (await harness.answer("1", challenge, name="unknown")).reason
