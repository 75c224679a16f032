import asyncio
from dataclasses import replace

import pytest

from radius_voice.events import Called, Followed, Lifecycle, Outcome, Reason
from radius_voice.login.challenge import CallChanged
from radius_voice.login.limits import Limits
from radius_voice.login.model import CallStatus, NotPlaced, Placed, RefusedNumber, Swap, Unavailable, Unknown, User
from radius_voice.login.phone import Phone
from radius_voice.login.policy import ReplyRule
from tests.login.fakes import ACCEPTED, ALICE, NOT_PLACED, House, People, Phones, limit, told


@pytest.fixture
def house():
    return House()


async def test_a_right_password_and_the_spoken_code_let_in(house):
    challenge = await house.begin()
    assert (Outcome.CHALLENGE, Reason.CALLED) == told(challenge)
    assert "ending in 23" in challenge.text
    accept = await house.answer(house.phones.codes[0], challenge)
    assert ACCEPTED == told(accept)
    await house.dialog.drain()
    assert ["fake1"] == house.phones.hung_up


async def test_a_code_typed_with_spaces_and_dashes_is_the_code(house):
    challenge = await house.begin()
    assert ACCEPTED == told(await house.answer(" ".join(house.phones.codes[0]) + " - ", challenge))


async def test_a_wrong_password_rings_nothing_and_is_named_only_if_the_name_is_known(house):
    wrong = await house.begin("wrong")
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD, "alice") == (*told(wrong), wrong.user)
    unknown = await house.begin("right", name="hunter2")
    assert (Outcome.REJECT, Reason.UNKNOWN_USER, "") == (*told(unknown), unknown.user)
    assert wrong.text == unknown.text
    assert [] == house.phones.orders


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (User("a", "alice"), Reason.NO_PHONE),
        (replace(ALICE, disabled=True), Reason.DISABLED),
        (replace(ALICE, phones=(Phone("+19005550123"),)), Reason.NUMBER_NOT_ALLOWED),
        (replace(ALICE, phones=(Phone("+88216123456"),)), Reason.NUMBER_NOT_ALLOWED),
    ],
)
async def test_people_who_cannot_be_called_are_refused(user, reason):
    house = House(people=People(user))
    assert (Outcome.REJECT, reason) == told(await house.begin())


async def test_a_country_that_is_not_allowed_is_never_dialled():
    house = House(policy={"countries": frozenset({"DE"})})
    assert Reason.NUMBER_NOT_ALLOWED == (await house.begin()).reason


async def test_without_a_first_factor_the_directory_alone_decides():
    house = House(policy={"first_factor": None})
    assert Reason.CALLED == (await house.begin("anything")).reason
    assert Reason.UNKNOWN_USER == (await house.begin("anything", name="nobody")).reason
    assert 0 == house.people.verified


async def test_five_copies_at_once_ring_once_and_let_in_once(house):
    challenges = await asyncio.gather(*(house.begin() for _ in range(5)))
    assert 1 == len(house.phones.orders)
    assert 5 == len({challenge.state for challenge in challenges})
    assert {Reason.CALLED, Reason.JOINED} == {challenge.reason for challenge in challenges}
    answers = [await house.answer(house.phones.codes[0], challenge) for challenge in challenges]
    assert 1 == sum(answer.outcome is Outcome.ACCEPT for answer in answers)


async def test_two_right_answers_at_once_are_accepted_once(house):
    one, two = await house.begin(), await house.begin()
    code = house.phones.codes[0]
    answers = await asyncio.gather(house.answer(code, one), house.answer(code, two))
    assert [Outcome.ACCEPT, Outcome.REJECT] == sorted(answer.outcome for answer in answers)


async def test_one_live_call_a_person_whatever_the_client(house):
    challenge = await house.begin()
    assert (Outcome.REJECT, Reason.BUSY) == told(await house.begin(client="other"))
    await house.answer(house.phones.codes[0], challenge)
    await house.dialog.drain()
    assert Reason.CALLED == (await house.begin(client="other")).reason


async def test_an_answer_at_another_client_entry_is_refused(house):
    challenge = await house.begin()
    foreign = await house.answer(house.phones.codes[0], challenge, client="other")
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == told(foreign)


@pytest.mark.parametrize("state", [b"", b"short", b"x" * 32, b"x" * 33])
async def test_a_state_that_is_not_ours_is_refused(house, state):
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == told(await house.answer("123456", state))


async def test_wrong_codes_lock_and_a_right_password_does_not_unlock():
    house = House(limits=Limits(codes={"person": limit("codes", 2, Reason.LOCKED)}))
    challenge = await house.begin()
    wrong = await house.answer("x", challenge)
    assert (Outcome.CHALLENGE, Reason.WRONG_CODE) == told(wrong)
    assert "2 tries" in wrong.text
    wrong = await house.answer("x", wrong)
    assert "1 try" in wrong.text
    locked = await house.answer(house.phones.codes[0], wrong)
    assert (Outcome.REJECT, Reason.LOCKED) == told(locked)
    await house.dialog.drain()
    assert (Outcome.REJECT, Reason.LOCKED) == told(await house.begin())
    assert 1 == len(house.phones.orders)


async def test_a_right_code_clears_the_wrong_ones():
    house = House(limits=Limits(codes={"person": limit("codes", 2, Reason.LOCKED)}))
    for _ in range(3):
        challenge = await house.answer("x", await house.begin())
        assert ACCEPTED == told(await house.answer(house.phones.codes[-1], challenge))
        await house.dialog.drain()


async def test_failures_are_limited_before_the_password_is_looked_at():
    limits = Limits(failures={"person": limit("f", 2, Reason.FAILURE_LIMIT)})
    house = House(limits=limits)
    for _ in range(2):
        await house.begin("wrong")
    assert (Outcome.REJECT, Reason.FAILURE_LIMIT) == told(await house.begin())
    assert 2 == house.people.verified


async def test_a_right_password_and_a_directory_that_is_down_cost_no_failure():
    limits = Limits(
        failures={"person": limit("f", 1, Reason.FAILURE_LIMIT), "source": limit("s", 1, Reason.FAILURE_LIMIT)}
    )
    house = House(limits=limits)
    await house.begin()
    house.people.down = True
    down = await house.begin()
    assert (Outcome.SILENCE, Reason.IDENTITY_UNAVAILABLE) == told(down)
    house.people.down = False
    assert Reason.JOINED == (await house.begin()).reason


async def test_calls_are_limited_in_the_same_breath_as_the_row():
    limits = Limits(
        calls={"person": limit("p", 1, Reason.CALL_LIMIT), "all": limit("a", 5, Reason.CALL_LIMIT)},
        daily={"country": limit("c", 5, Reason.CALL_LIMIT)},
    )
    house = House(limits=limits)
    challenge = await house.begin()
    await house.answer(house.phones.codes[0], challenge)
    await house.dialog.drain()
    assert (Outcome.REJECT, Reason.CALL_LIMIT) == told(await house.begin())
    house.clock.now += 601
    assert Reason.CALLED == (await house.begin()).reason


async def test_a_replayed_packet_does_not_dial(house):
    packet = b"p" * 16
    challenge = await house.begin(packet=packet)
    await house.answer(house.phones.codes[0], challenge)
    await house.dialog.drain()
    assert (Outcome.REJECT, Reason.REPLAY) == told(await house.begin(packet=packet))


async def test_logging_in_again_after_a_missed_call_rings_again(house):
    await house.begin()
    house.phones.statuses["fake1"] = CallStatus.NO_ANSWER
    await house.dialog.follower.poll()
    again = await house.begin()
    assert (Outcome.CHALLENGE, Reason.REDIALLED) == told(again)
    assert ACCEPTED == told(await house.answer(house.phones.codes[1], again))


async def test_phone_typed_instead_of_a_code_hangs_up_and_rings_again(house):
    again = await house.answer("phone", await house.begin())
    assert (Outcome.CHALLENGE, Reason.REDIALLED) == told(again)
    assert ["fake1"] == house.phones.hung_up
    other = await house.answer(" PHONE2 ", again)
    assert ["+12025550123", "+12025550123", "+12025550124"] == [order.phone.e164 for order in house.phones.orders]
    assert "24" in other.text
    assert Reason.CANNOT_REDIAL == (await house.answer("phone3", other)).reason


async def test_a_redial_beyond_the_call_limits_leaves_the_challenge():
    house = House(limits=Limits(calls={"person": limit("p", 1, Reason.CALL_LIMIT)}))
    again = await house.answer("phone", await house.begin())
    assert (Outcome.CHALLENGE, Reason.CANNOT_REDIAL) == told(again)
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], again))


async def test_a_call_that_cannot_be_hung_up_is_not_followed_by_another(house):
    challenge = await house.begin()
    house.phones.broken = True
    again = await house.answer("phone", challenge)
    assert (Outcome.CHALLENGE, Reason.CALL_UNKNOWN) == told(again)
    assert 1 == len(house.phones.orders)
    assert any(isinstance(record, Lifecycle) for record in house.records)


async def test_a_refused_number_leads_to_the_next_phone_which_is_paid_for():
    limits = Limits(calls={"phone": limit("p", 1, Reason.CALL_LIMIT)})
    house = House(providers=(Phones(RefusedNumber("21211")),), limits=limits)
    assert Reason.CALLED == (await house.begin()).reason
    assert ["+12025550123", "+12025550124"] == [order.phone.e164 for order in house.phones.orders]
    assert (await house.store.spend(limits.for_phone(Phone("+12025550124")))) is not None


async def test_a_next_phone_beyond_its_limit_is_not_rung():
    limits = Limits(calls={"phone": limit("p", 1, Reason.CALL_LIMIT)})
    house = House(providers=(Phones(RefusedNumber("21211")),), limits=limits)
    await house.store.spend(limits.for_phone(Phone("+12025550124")))
    assert (Outcome.REJECT, Reason.NUMBER_REFUSED) == told(await house.begin())
    assert 1 == len(house.phones.orders)


async def test_numbers_all_refused_reject():
    house = House(providers=(Phones(RefusedNumber("1"), RefusedNumber("2", alarm=True)),))
    assert (Outcome.REJECT, Reason.NUMBER_REFUSED) == told(await house.begin())
    called = [record for record in house.records if isinstance(record, Called)]
    assert [False, True] == [record.alarm for record in called]


async def test_a_provider_that_did_not_place_the_call_leads_to_the_next_provider():
    first, second = Phones(NOT_PLACED, name="first"), Phones(name="second")
    house = House(providers=(first, second))
    assert Reason.CALLED == (await house.begin()).reason
    assert (1, 1) == (len(first.orders), len(second.orders))


async def test_no_provider_rejects_and_the_call_is_not_paid_for():
    limits = Limits(calls={"person": limit("p", 1, Reason.CALL_LIMIT)})
    house = House(providers=(Phones(NOT_PLACED),), limits=limits)
    assert (Outcome.REJECT, Reason.DELIVERY_FAILED) == told(await house.begin())
    assert Reason.CALLED == (await house.begin()).reason


async def test_a_written_bypass_lets_in_until_its_time_and_with_a_right_password_alone():
    house = House(providers=(Phones(NOT_PLACED, NOT_PLACED),), policy={"bypass_until": 1_000_060.0})
    assert Reason.WRONG_PASSWORD == (await house.begin("wrong")).reason
    assert (Outcome.ACCEPT, Reason.BYPASSED) == told(await house.begin())
    house.clock.now += 61
    assert (Outcome.REJECT, Reason.DELIVERY_FAILED) == told(await house.begin())


async def test_a_call_nobody_knows_of_leaves_the_challenge_and_is_never_placed_again():
    first, second = Phones(Unknown("500"), name="first"), Phones(name="second")
    house = House(providers=(first, second))
    challenge = await house.begin()
    assert (Outcome.CHALLENGE, Reason.CALL_UNKNOWN) == told(challenge)
    assert [] == second.orders
    assert ACCEPTED == told(await house.answer(first.codes[0], challenge))


async def test_a_provider_that_breaks_leaves_the_challenge_and_a_warning():
    house = House(providers=(Phones(RuntimeError("secret detail")),))
    assert (Outcome.CHALLENGE, Reason.CALL_UNKNOWN) == told(await house.begin())
    await house.dialog.drain()
    await asyncio.sleep(0)
    warnings = [record for record in house.records if isinstance(record, Lifecycle)]
    assert ["a login's background task failed: RuntimeError"] == [warning.detail for warning in warnings]


async def test_the_challenge_does_not_wait_longer_than_the_gateway():
    house = House(answer_within=0.01)
    house.phones.held = asyncio.Event()
    challenge = await house.begin()
    assert (Outcome.CHALLENGE, Reason.CALLING) == told(challenge)
    house.phones.held.set()
    await house.dialog.drain()
    assert 1 == len(house.dialog.follower)
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], challenge))


async def test_a_call_taken_after_its_login_ended_is_hung_up():
    house = House(answer_within=0.01, policy={"tries": 1})
    house.phones.held = asyncio.Event()
    challenge = await house.begin()
    assert Reason.NO_TRIES == (await house.answer("x", challenge)).reason
    house.phones.held.set()
    await house.dialog.drain()
    assert ["fake1"] == house.phones.hung_up


async def test_a_call_nobody_knows_of_keeps_its_person_from_being_called_until_it_must_be_over():
    house = House(providers=(Phones(Unknown("500")),), policy={"tries": 1})
    assert Reason.NO_TRIES == (await house.answer("x", await house.begin())).reason
    assert (Outcome.REJECT, Reason.BUSY) == told(await house.begin())
    house.clock.now += house.dialog._parts.policies["default"].live
    assert Reason.CALLED == (await house.begin()).reason
    assert 2 == len(house.phones.orders)


async def test_a_call_that_cannot_be_hung_up_keeps_its_person_busy():
    house = House(policy={"tries": 1})
    challenge = await house.begin()
    house.phones.broken = True
    await house.answer("x", challenge)
    await house.dialog.drain()
    assert (Outcome.REJECT, Reason.BUSY) == told(await house.begin())


async def test_a_slow_provider_of_the_login_before_does_not_touch_this_one():
    house = House(answer_within=0.01, policy={"tries": 1})
    house.phones.held = asyncio.Event()
    await house.answer("x", await house.begin())
    house.clock.now += house.dialog._parts.policies["default"].live
    house.phones.held, held = None, house.phones.held
    challenge = await house.begin()
    held.set()
    await house.dialog.drain()
    assert 1 == len(house.phones.hung_up)
    assert ACCEPTED == told(await house.answer(house.phones.codes[-1], challenge))


async def test_people_at_one_gateway_who_log_in_at_once_cost_each_other_nothing():
    users = [User(f"id{n}", f"user{n}", (Phone(f"+120255501{n:02}"),)) for n in range(40)]
    limits = Limits(failures={"client": limit("s", 3, Reason.FAILURE_LIMIT)})
    house = House(people=People(*users), limits=limits)
    decisions = await asyncio.gather(*(house.begin(name=user.name) for user in users))
    assert {Reason.CALLED} == {decision.reason for decision in decisions}
    for _ in range(3):
        await house.begin("wrong", name="user0")
    assert Reason.FAILURE_LIMIT == (await house.begin(name="user1")).reason


async def test_a_next_phone_that_is_locked_is_not_rung():
    limits = Limits(codes={"phone": limit("c", 1, Reason.LOCKED)})
    house = House(providers=(Phones(RefusedNumber("21211")),), limits=limits)
    await house.store.spend(limits.for_code({"phone": "+12025550124"}))
    assert (Outcome.REJECT, Reason.NUMBER_REFUSED) == told(await house.begin())
    assert 1 == len(house.phones.orders)


BYPASS = {"bypass_until": 2_000_000.0}
REFUSED = RefusedNumber("21211")
PACED, NOT_LISTED = NotPlaced("429"), NotPlaced("HTTP 400, code 21205", alarm=True)


@pytest.mark.parametrize(
    "answers",
    [
        ([PACED], [NOT_PLACED]),
        ([NOT_PLACED], [NOT_LISTED]),
        ([REFUSED, REFUSED], [NOT_PLACED]),
        ([REFUSED, NOT_PLACED], [NOT_PLACED]),
        ([NOT_PLACED, NOT_PLACED], [REFUSED, NOT_PLACED]),
    ],
)
async def test_a_login_that_met_another_refusal_than_an_outage_never_takes_the_bypass(answers):
    providers = tuple(Phones(*each, name=name) for name, each in zip("ab", answers, strict=True))
    house = House(providers=providers, policy=BYPASS)
    assert Outcome.REJECT == (await house.begin()).outcome


async def test_an_outage_of_every_provider_takes_the_bypass():
    house = House(providers=(Phones(NOT_PLACED, name="a"), Phones(NOT_PLACED, name="b")), policy=BYPASS)
    assert (Outcome.ACCEPT, Reason.BYPASSED) == told(await house.begin())


@pytest.mark.parametrize("first", [Placed("r"), Unknown("500")])
@pytest.mark.parametrize("refusal", [REFUSED, NOT_LISTED])
async def test_a_redial_takes_no_bypass_if_its_login_met_a_refusal_before(first, refusal):
    one, two = Phones(refusal, name="a"), Phones(first, name="b")
    providers = (one, two)
    if refusal is REFUSED:
        one.answers.append(first)
    house = House(providers=providers, policy=BYPASS)
    challenge = await house.begin()
    assert Outcome.CHALLENGE == challenge.outcome
    house.clock.now += house.dialog._parts.policies["default"].live
    for provider in providers:
        provider.answers = [NOT_PLACED, NOT_PLACED]
    assert (Outcome.REJECT, Reason.DELIVERY_FAILED) == told(await house.answer("phone", challenge))


async def test_a_call_of_a_provider_that_is_configured_no_more_is_not_replaced(house):
    challenge = await house.begin()
    house.dialog.follower._live = {}
    again = await house.answer("phone", challenge)
    assert (Outcome.CHALLENGE, Reason.CALL_UNKNOWN) == told(again)
    assert 1 == len(house.phones.orders)


async def test_delivery_that_fails_after_the_challenge_ends_the_login_without_bypass():
    house = House(answer_within=0.01, providers=(Phones(NOT_PLACED),), policy={"bypass_until": 2_000_000.0})
    house.phones.held = asyncio.Event()
    challenge = await house.begin()
    house.phones.held.set()
    await house.dialog.drain()
    assert (Outcome.REJECT, Reason.USED_STATE) == told(await house.answer(house.phones.codes[0], challenge))


async def test_nothing_is_dialled_for_a_packet_that_nobody_waits_for(house):
    late = await house.begin(late=3.0)
    assert (Outcome.SILENCE, Reason.TOO_LATE) == told(late)
    assert [] == house.phones.orders


async def test_calls_are_followed_until_they_are_over(house):
    await house.begin()
    await house.dialog.follower.poll()
    await house.dialog.follower.poll()
    house.phones.statuses["fake1"] = CallStatus.ANSWERED
    await house.dialog.follower.poll()
    house.phones.broken = True
    await house.dialog.follower.poll()
    assert 1 == len(house.dialog.follower)
    house.phones.broken = False
    house.phones.statuses["fake1"] = CallStatus.COMPLETED
    await house.dialog.follower.poll()
    assert 0 == len(house.dialog.follower)
    followed = [record.status for record in house.records if isinstance(record, Followed)]
    assert ["ringing", "answered", "completed"] == followed


async def test_a_call_that_is_never_over_is_not_followed_for_ever(house):
    await house.begin()
    house.clock.now += 3600
    await house.dialog.follower.poll()
    assert 0 == len(house.dialog.follower)


async def test_calls_of_a_provider_that_cannot_be_asked_are_not_followed(house):
    house.dialog.follower._live = {}
    challenge = await house.begin()
    assert 0 == len(house.dialog.follower)
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], challenge))


async def test_where_nothing_rings_nobody_is_busy_and_nothing_is_ended():
    house = House(providers=(Phones(Placed("sent", live=False), Placed("sent", live=False)),))
    challenge = await house.begin()
    assert 0 == len(house.dialog.follower)
    assert Reason.CALLED == (await house.begin(client="other")).reason
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], challenge))
    await house.dialog.drain()
    assert [] == house.phones.hung_up


async def test_a_status_that_comes_after_hanging_up_is_nothing_new(house):
    challenge = await house.begin()

    async def progress(calls):
        await house.dialog.follower.hang_up(calls[0])
        return {calls[0]: CallStatus.COMPLETED}

    house.phones.progress = progress
    await house.dialog.follower.poll()
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], challenge))


async def test_the_attributes_of_an_accept_follow_the_groups():
    rules = (
        ReplyRule("admins", (("Class", "A"),)),
        ReplyRule(None, (("Filter-Id", "all"),)),
        ReplyRule("x", (("Class", "X"),)),
    )
    house = House(people=People(replace(ALICE, groups=frozenset({"admins"}))), policy={"reply": rules})
    challenge = await house.begin()
    assert () == challenge.reply
    accept = await house.answer(house.phones.codes[0], challenge)
    assert (("Class", "A"), ("Filter-Id", "all")) == accept.reply
    repeated = await house.answer(house.phones.codes[0], challenge)
    assert (Outcome.ACCEPT, Reason.REPEATED) == told(repeated)
    assert accept.reply == repeated.reply


class Moody:
    """A store in front of another that is down, or always a step behind."""

    def __init__(self, store, *, stale=False):
        self._store = store
        self._stale = stale

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def load(self, key):
        if not self._stale:
            raise Unavailable("store", "down")
        return await self._store.load(key)

    async def swap(self, old, new, spends=(), record=None):
        return Swap.STALE


@pytest.mark.parametrize("stale", [True, False])
@pytest.mark.parametrize(("setting", "outcome"), [(Outcome.SILENCE, Outcome.SILENCE), (Outcome.REJECT, Outcome.REJECT)])
async def test_a_store_out_of_reach_is_silence_or_reject_as_configured(stale, setting, outcome):
    house = House(policy={"on_unavailable": setting})
    challenge = await house.begin()
    parts = replace(house.dialog._parts, store=Moody(house.store, stale=stale))
    house.dialog._parts = parts
    assert (outcome, Reason.STORE_UNAVAILABLE) == told(await house.begin())
    assert (outcome, Reason.STORE_UNAVAILABLE) == told(await house.answer("x", challenge))
    key = challenge.state[:16]
    await house.dialog.heard(key, CallChanged(challenge.login, 1, CallStatus.COMPLETED, 1.0))
    assert "progress was lost" in house.records[-1].detail


async def test_no_secret_shows_in_what_is_recorded_or_represented(house):
    challenge = await house.begin("right")
    code = house.phones.codes[0]
    await house.answer(code, challenge)
    shown = repr(house.records) + repr(challenge) + repr(house.phones.orders) + repr(house.attempt("right"))
    assert code not in shown
    assert "'right'" not in shown
    assert "2025550123" not in shown
