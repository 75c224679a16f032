"""Wrong passwords: who is charged, when, and whom that locks out."""

import asyncio

import pytest

from radius_voice.events import Lifecycle, Outcome, Reason, Trace
from radius_voice.login.first_factor import password_subjects
from radius_voice.login.limits import Limits, acting
from radius_voice.login.model import Act, Denied, Unavailable, User
from radius_voice.login.phone import Phone
from tests.login.fakes import ACCEPTED, ALICE, House, People, limit, told

LIMITED = (Outcome.REJECT, Reason.FAILURE_LIMIT)
WRONG = (Outcome.REJECT, Reason.WRONG_PASSWORD)
CALLED = (Outcome.CHALLENGE, Reason.CALLED)
BOB = User("bob-id", "bob", (Phone("+12025550199"),))
HOME, ELSEWHERE = "192.0.2.9", "198.51.100.66"


def limits(person=3, source=100):
    failures = {
        "person": limit("wrong_passwords.person", person, Reason.FAILURE_LIMIT),
        "source": limit("wrong_passwords.source", source, Reason.FAILURE_LIMIT),
    }
    return Limits(failures=failures)


@pytest.fixture
def house():
    return House(people=People(ALICE, BOB), limits=limits())


async def log_in(house, **where):
    """A whole login; when it is over, nothing rings any more."""
    challenge = await house.begin(**where)
    assert ACCEPTED == told(await house.answer(house.phones.codes[-1], challenge, **where))
    await house.dialog.drain()


async def guess(house, times, **where):
    return [told(await house.begin("wrong", **where)) for _ in range(times)]


async def test_strangers_cannot_lock_out_somebody_who_logged_in_from_here_before(house):
    await log_in(house, source=HOME)
    assert [WRONG] * 3 + [LIMITED] * 20 == await guess(house, 23, source=ELSEWHERE)
    await log_in(house, source=HOME)


async def test_a_reject_by_the_limit_of_wrong_passwords_says_whose_login_it_was(house):
    await guess(house, 3)
    assert (LIMITED, "alice") == (told(limited := await house.begin()), limited.user)
    house.people.down = True
    assert (LIMITED, "") == (told(limited := await house.begin()), limited.user)
    house.people.down = False
    await guess(house, 3, name="hunter2")
    assert (LIMITED, "") == (told(limited := await house.begin(name="hunter2")), limited.user)


async def test_an_own_allowance_is_limited_too_and_no_other_user_shares_it(house):
    await log_in(house, source=HOME)
    assert [WRONG] * 3 + [LIMITED] == await guess(house, 4, source=HOME)
    assert LIMITED == told(await house.begin(source=HOME))
    assert CALLED == told(await house.begin(name="bob", source=HOME))


async def test_a_pair_that_has_not_logged_in_for_30_days_is_a_stranger_again(house):
    await log_in(house, source=HOME)
    house.clock.now += 30 * 86400
    await guess(house, 3, source=ELSEWHERE)
    assert LIMITED == told(await house.begin(source=HOME))


async def test_a_login_each_day_keeps_the_pair_known(house):
    for _ in range(40):
        await log_in(house, source=HOME)
        house.clock.now += 86400
    await guess(house, 3, source=ELSEWHERE)
    assert CALLED == told(await house.begin(source=HOME))


async def test_without_a_calling_station_id_there_is_no_pair(house):
    await log_in(house, source="")
    await guess(house, 3, source="")
    assert LIMITED == told(await house.begin(source=""))


async def test_the_same_guess_is_charged_once_from_however_many_ports(house):
    packet = b"p" * 16
    answers = [told(await house.begin("mistyped", packet=packet)) for _ in range(10)]
    assert [WRONG] + [(Outcome.REJECT, Reason.REPLAY)] * 9 == answers
    assert 1 == house.people.verified
    assert [WRONG, WRONG, LIMITED] == await guess(house, 3)


async def test_copies_of_a_guess_at_the_same_time_are_charged_and_verified_once(house):
    packet = b"p" * 16
    house.people.held = asyncio.Event()
    copies = [asyncio.create_task(house.begin("mistyped", packet=packet)) for _ in range(10)]
    await asyncio.sleep(0)
    house.people.held.set()
    assert [WRONG] * 10 == [told(await copy) for copy in copies]
    assert 1 == house.people.verified


@pytest.mark.parametrize("other", [{"name": "bob"}, {"password": "another"}])
async def test_a_request_authenticator_with_another_guess_is_charged_and_reported(house, other):
    packet = b"p" * 16
    await house.begin("mistyped", packet=packet)
    altered = {"password": "mistyped", "name": "alice", **other}
    trace = Trace(0.0, house.clock)
    for _ in range(2):
        attempt = house.attempt(altered["password"], name=altered["name"], packet=packet)
        await house.dialog.begin(attempt, trace)
    assert ["request_authenticator_reused"] * 2 == [step.name for step in trace.steps if "reused" in step.name]
    warnings = [record for record in house.records if isinstance(record, Lifecycle)]
    assert 1 == len(warnings)
    assert "same Request Authenticator" in warnings[0].detail
    assert 2 == house.people.verified
    left = 2 if altered["name"] == "bob" else 1
    assert [WRONG] * left + [LIMITED] == await guess(house, left + 1)


async def test_a_reused_request_authenticator_is_reported_where_the_gateway_checks_passwords():
    house = House(people=People(ALICE, BOB), policy={"first_factor": None})
    packet = b"p" * 16
    assert CALLED == told(await house.begin("x", packet=packet))
    assert CALLED == told(await house.begin("x", name="bob", packet=packet))
    assert Reason.JOINED == (await house.begin("x", name="bob", packet=packet)).reason
    assert "same Request Authenticator" in next(r.detail for r in house.records if isinstance(r, Lifecycle))


async def test_guesses_at_one_directory_do_not_lock_the_same_name_at_another(house):
    other = House(people=People(ALICE), limits=house.limits, policy={"first_factor_name": "others"})
    other.use(house.store)
    await guess(house, 4)
    assert LIMITED == told(await house.begin())
    assert CALLED == told(await other.begin())


async def test_two_spellings_of_a_name_have_one_allowance(house):
    for name in ("šimon", "Šimon ", "S\u030cIMON"):
        await guess(house, 1, name=name)
    assert LIMITED == told(await house.begin(name="šimon"))


async def test_a_verification_that_did_not_begin_is_refunded_and_its_request_not_recorded(house):
    house.people.down = True
    packet = b"p" * 16
    for _ in range(5):
        assert (Outcome.SILENCE, Reason.IDENTITY_UNAVAILABLE) == told(await house.begin(packet=packet))
    house.people.down = False
    assert CALLED == told(await house.begin(packet=packet))


async def test_a_verification_that_has_begun_stays_charged_until_its_result_is_known():
    house = House(people=People(ALICE), limits=limits(person=1), answer_within=0.01)
    house.people.held = asyncio.Event()
    packet = b"p" * 16
    late = await house.begin(packet=packet)
    assert (Outcome.SILENCE, Reason.IDENTITY_UNAVAILABLE) == told(late)
    assert LIMITED == told(await house.begin("another guess meanwhile"))
    house.people.held.set()
    await house.dialog.drain()
    assert CALLED == told(await house.begin(packet=packet))  # the retransmission; its right password was refunded
    assert Reason.JOINED == (await house.begin()).reason


async def test_a_wrong_password_that_was_known_too_late_is_charged_and_recorded():
    house = House(people=People(ALICE), limits=limits(person=1), answer_within=0.01)
    house.people.held = asyncio.Event()
    packet = b"p" * 16
    await house.begin("wrong", packet=packet)
    house.people.held.set()
    await house.dialog.drain()
    assert (Outcome.REJECT, Reason.REPLAY) == told(await house.begin("wrong", packet=packet))
    assert LIMITED == told(await house.begin())


async def test_a_request_is_charged_once_over_a_crash_between_charge_and_result(house):
    house.people.held = asyncio.Event()
    packet = b"p" * 16
    crashed = asyncio.create_task(house.begin(packet=packet))
    await house.people.begun.acquire()
    after = House(people=People(ALICE, BOB), limits=house.limits, clock=house.clock)
    after.use(house.store)
    assert CALLED == told(await after.begin(packet=packet))
    assert [WRONG, WRONG, LIMITED] == await guess(after, 3)
    crashed.cancel()
    house.people.held.set()
    await house.dialog.drain()


async def test_a_disabled_user_with_the_right_password_is_recorded_as_such_and_not_charged(house):
    class Disabled(People):
        async def verify(self, claim, deadline):
            return Denied(Reason.DISABLED, "alice", password_right=True)

    house = House(people=Disabled(ALICE), limits=limits(person=1))
    for _ in range(3):
        trace = Trace(0.0, house.clock)
        decision = await house.dialog.begin(house.attempt(), trace)
        assert (Outcome.REJECT, Reason.DISABLED, "alice") == (*told(decision), decision.user)
        assert ("password", "right") == (trace.steps[0].name, trace.steps[0].detail)


async def test_wrong_passwords_of_all_are_limited_if_so_configured_but_not_for_those_who_return():
    shared = {"client": limit("wrong_passwords.client", 2, Reason.FAILURE_LIMIT)}
    house = House(people=People(ALICE, BOB), limits=Limits(failures=shared))
    await log_in(house, source=HOME)
    assert [WRONG, WRONG, LIMITED] == await guess(house, 3, source=ELSEWHERE)
    assert LIMITED == told(await house.begin(name="bob"))
    assert CALLED == told(await house.begin(source=HOME))


async def test_guesses_at_once_beyond_the_limit_of_a_gateway_are_all_recorded():
    shared = {"client": limit("wrong_passwords.client", 1, Reason.FAILURE_LIMIT)}
    house = House(people=People(ALICE), limits=Limits(failures=shared))
    packets = [bytes([number]) * 16 for number in range(3)]
    house.people.held = asyncio.Event()
    guesses = [asyncio.create_task(house.begin("wrong", packet=packet)) for packet in packets]
    for _ in packets:
        await house.people.begun.acquire()
    house.people.held.set()
    await asyncio.gather(*guesses)
    again = [told(await house.begin("wrong", packet=packet)) for packet in packets]
    assert [(Outcome.REJECT, Reason.REPLAY)] * 3 == again


async def test_a_check_says_who_returns_and_from_where(house):
    claims = []
    verify = house.people.verify

    async def noted(claim, deadline):
        claims.append((claim.queue, claim.returning))
        return await verify(claim, deadline)

    house.people.verify = noted
    await log_in(house, source=HOME)
    await house.begin(source=HOME)
    await house.begin(source="", name="bob")
    assert [(HOME, False), (HOME, True), ("client vpn", False)] == claims


async def test_a_store_that_is_down_when_a_login_is_to_be_remembered_costs_no_login(house):
    challenge = await house.begin()

    async def down(key):
        raise Unavailable("store", "down")

    house.store.recall = down
    assert ACCEPTED == told(await house.answer(house.phones.codes[-1], challenge))


async def test_unlocking_clears_what_is_counted_for_a_name_and_for_each_place_it_returns_from(house):
    await log_in(house, source=HOME)
    await guess(house, 3, source=HOME)
    await guess(house, 3, source=ELSEWHERE)
    subjects = await password_subjects(house.dialog._parts.keys, house.store, "people", "ALICE")
    assert 2 == len(subjects)
    await house.store.spend(acting(Act.CLEAR, house.limits.about({}, subjects)))
    assert [WRONG] == await guess(house, 1, source=ELSEWHERE)
    assert CALLED == told(await house.begin(source=HOME))
