"""Wrong passwords: which subject is charged, when, and which users that locks out."""

import asyncio
import itertools

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason, ServiceRecord
from radius_voice.login.first_factor.password_limits import known_pairs
from radius_voice.login.limits.configured import Limits, with_action
from radius_voice.login.limits.rate_limits import remaining
from radius_voice.login.model import Denied, LimitAction, Unavailable, User
from radius_voice.login.phone import Phone
from radius_voice.trace import Trace
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, limit, result_of

LIMITED = (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT)
WRONG = (Outcome.REJECT, Reason.WRONG_PASSWORD)
CALLED = (Outcome.CHALLENGE, Reason.CALL_PLACED)
BOB = User("bob-id", "bob", (Phone("+12025550199"),))
HOME, ELSEWHERE = "192.0.2.9", "198.51.100.66"


def limits(user_key=3, calling_station_id=100):
    failures = {
        "user": limit("wrong_passwords.user", user_key, Reason.WRONG_PASSWORD_LIMIT),
        "calling_station": limit("wrong_passwords.calling_station", calling_station_id, Reason.WRONG_PASSWORD_LIMIT),
    }
    return Limits(failures=failures)


@pytest.fixture
def harness():
    return LoginHarness(directory=FakeDirectory(ALICE, BOB), limits=limits())


async def log_in(harness, **where):
    """A complete login. No call is live after it."""
    challenge = await harness.begin(**where)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], challenge, **where))
    await harness.flow.drain()


async def guess(harness, times, **where):
    return [result_of(await harness.begin("wrong", **where)) for _ in range(times)]


async def test_guesses_of_an_attacker_do_not_lock_out_a_user_at_a_known_station(harness):
    await log_in(harness, calling_station_id=HOME)
    assert [WRONG] * 3 + [LIMITED] * 20 == await guess(harness, 23, calling_station_id=ELSEWHERE)
    await log_in(harness, calling_station_id=HOME)


async def test_a_reject_by_the_wrong_password_limit_names_the_user(harness):
    await guess(harness, 3)
    assert (LIMITED, "alice") == (result_of(limited := await harness.begin()), limited.user)
    harness.directory.unavailable = True
    assert (LIMITED, "") == (result_of(limited := await harness.begin()), limited.user)
    harness.directory.unavailable = False
    await guess(harness, 3, name="hunter2")
    assert (LIMITED, "") == (result_of(limited := await harness.begin(name="hunter2")), limited.user)


async def test_a_users_own_allowance_is_limited_and_not_shared(harness):
    await log_in(harness, calling_station_id=HOME)
    assert [WRONG] * 3 + [LIMITED] == await guess(harness, 4, calling_station_id=HOME)
    assert LIMITED == result_of(await harness.begin(calling_station_id=HOME))
    assert CALLED == result_of(await harness.begin(name="bob", calling_station_id=HOME))


async def test_a_pair_without_a_login_for_30_days_is_unknown_again(harness):
    await log_in(harness, calling_station_id=HOME)
    harness.clock.now += 30 * 86400
    await guess(harness, 3, calling_station_id=ELSEWHERE)
    assert LIMITED == result_of(await harness.begin(calling_station_id=HOME))


async def test_a_login_each_day_keeps_the_pair_known(harness):
    for _ in range(40):
        await log_in(harness, calling_station_id=HOME)
        harness.clock.now += 86400
    await guess(harness, 3, calling_station_id=ELSEWHERE)
    assert CALLED == result_of(await harness.begin(calling_station_id=HOME))


async def test_without_a_calling_station_id_there_is_no_pair(harness):
    await log_in(harness, calling_station_id="")
    await guess(harness, 3, calling_station_id="")
    assert LIMITED == result_of(await harness.begin(calling_station_id=""))


async def test_the_same_guess_is_charged_once_from_any_number_of_ports(harness):
    packet = b"p" * 16
    answers = [result_of(await harness.begin("mistyped", packet=packet)) for _ in range(10)]
    assert [WRONG] + [(Outcome.REJECT, Reason.REPLAY)] * 9 == answers
    assert 1 == harness.directory.verifications
    assert [WRONG, WRONG, LIMITED] == await guess(harness, 3)


async def test_concurrent_copies_of_a_guess_are_charged_and_verified_once(harness):
    packet = b"p" * 16
    harness.directory.gate = asyncio.Event()
    copies = [asyncio.create_task(harness.begin("mistyped", packet=packet)) for _ in range(10)]
    await asyncio.sleep(0)
    harness.directory.gate.set()
    assert [WRONG] * 10 == [result_of(await copy) for copy in copies]
    assert 1 == harness.directory.verifications


@pytest.mark.parametrize("other", [{"name": "bob"}, {"password": "another"}])
async def test_a_request_authenticator_with_another_guess_is_charged_and_reported(harness, other):
    packet = b"p" * 16
    await harness.begin("mistyped", packet=packet)
    altered = {"password": "mistyped", "name": "alice", **other}
    trace = Trace(0.0, harness.clock)
    for _ in range(2):
        attempt = harness.request(altered["password"], name=altered["name"], packet=packet)
        await harness.flow.begin(attempt, trace)
    assert ["request_authenticator_reused"] * 2 == [step.name for step in trace.steps if "reused" in step.name]
    warnings = [record for record in harness.records if isinstance(record, ServiceRecord)]
    assert 1 == len(warnings)
    assert "same Request Authenticator" in warnings[0].detail
    assert 2 == harness.directory.verifications
    left = 2 if altered["name"] == "bob" else 1
    assert [WRONG] * left + [LIMITED] == await guess(harness, left + 1)


async def test_a_reused_request_authenticator_is_reported_where_the_gateway_checks_passwords():
    harness = LoginHarness(directory=FakeDirectory(ALICE, BOB), policy={"first_factor": None})
    packet = b"p" * 16
    assert CALLED == result_of(await harness.begin("x", packet=packet))
    assert CALLED == result_of(await harness.begin("x", name="bob", packet=packet))
    assert Reason.JOINED == (await harness.begin("x", name="bob", packet=packet)).reason
    assert "same Request Authenticator" in next(r.detail for r in harness.records if isinstance(r, ServiceRecord))


async def test_guesses_at_one_directory_do_not_lock_the_same_name_at_another(harness):
    other = LoginHarness(directory=FakeDirectory(ALICE), limits=harness.limits, policy={"first_factor_name": "others"})
    other.restart_with(harness.store)
    await guess(harness, 4)
    assert LIMITED == result_of(await harness.begin())
    assert CALLED == result_of(await other.begin())


async def test_two_spellings_of_a_name_have_one_allowance(harness):
    for name in ("šimon", "Šimon ", "S\u030cIMON"):
        await guess(harness, 1, name=name)
    assert LIMITED == result_of(await harness.begin(name="šimon"))


async def test_a_verification_that_did_not_start_is_refunded_and_not_recorded(harness):
    harness.directory.unavailable = True
    packet = b"p" * 16
    for _ in range(5):
        assert (Outcome.NO_RESPONSE, Reason.IDENTITY_UNAVAILABLE) == result_of(await harness.begin(packet=packet))
    harness.directory.unavailable = False
    assert CALLED == result_of(await harness.begin(packet=packet))


async def test_a_verification_in_progress_stays_charged_until_its_result_is_known():
    harness = LoginHarness(directory=FakeDirectory(ALICE), limits=limits(user_key=1), response_timeout=0.2)
    harness.directory.gate = asyncio.Event()
    packet = b"p" * 16
    late = await harness.begin(packet=packet)
    assert (Outcome.NO_RESPONSE, Reason.IDENTITY_UNAVAILABLE) == result_of(late)
    assert LIMITED == result_of(await harness.begin("another guess meanwhile"))
    harness.directory.gate.set()
    await harness.flow.drain()
    assert CALLED == result_of(
        await harness.begin(packet=packet)
    )  # the retransmission; its right password was refunded
    assert Reason.JOINED == (await harness.begin()).reason


async def test_a_wrong_password_known_too_late_is_charged_and_recorded():
    harness = LoginHarness(directory=FakeDirectory(ALICE), limits=limits(user_key=1), response_timeout=0.2)
    harness.directory.gate = asyncio.Event()
    packet = b"p" * 16
    await harness.begin("wrong", packet=packet)
    harness.directory.gate.set()
    await harness.flow.drain()
    assert (Outcome.REJECT, Reason.REPLAY) == result_of(await harness.begin("wrong", packet=packet))
    assert LIMITED == result_of(await harness.begin())


class NodeDirectory(FakeDirectory):
    """Verifications end when `finished` is set; those of an overloaded node without a result."""

    def __init__(self, behaviour, user):
        super().__init__(user)
        self.behaviour = behaviour
        self.finished = self.gate = asyncio.Event()

    async def verify(self, verification, deadline):
        result = await super().verify(verification, deadline)
        if self.behaviour == "overloaded":
            raise Unavailable("password verification", "overload")
        return result


class Node:
    """A node on a shared store."""

    def __init__(self, behaviour, store=None, user=ALICE):
        self.directory = NodeDirectory(behaviour, user)
        self.harness = LoginHarness(directory=self.directory, limits=limits())
        self.harness.restart_with(store or self.harness.store)

    async def start(self, password):
        self.login = asyncio.create_task(self.harness.begin(password, packet=b"p" * 16))
        await self.directory.verifications_started.acquire()

    async def finish(self):
        if self.directory.behaviour == "crashed":
            return
        self.directory.finished.set()
        await self.login
        await self.harness.flow.drain()

    async def charged(self):
        """How many failures are charged to the user."""
        (operation,) = limits().for_password(self._name, "")
        tat = (await self.harness.store.arrival_times([operation]))[operation]
        return 3 - remaining(tat, operation.limit, self.harness.clock.now)

    @property
    def _name(self):
        return self.harness.flow._dependencies.keys.name_subject("people", "alice")


BEHAVIOURS = ("verifies", "overloaded", "crashed")


@pytest.mark.parametrize("last_first", [False, True])
@pytest.mark.parametrize("nodes", list(itertools.product(BEHAVIOURS, repeat=2)), ids="-".join)
async def test_copies_of_a_wrong_guess_at_two_nodes_are_charged_once(nodes, last_first):
    one = Node(nodes[0])
    two = Node(nodes[1], one.harness.store)
    for node in (one, two):
        await node.start("wrong")
    for node in (two, one) if last_first else (one, two):
        await node.finish()
    assert ("verifies" in nodes or nodes == ("crashed", "crashed")) == await one.charged()
    retransmission = Node("verifies", one.harness.store)
    if "verifies" in nodes:
        assert Reason.REPLAY is (await retransmission.harness.begin("wrong", packet=b"p" * 16)).reason
    else:
        await retransmission.start("wrong")
        await retransmission.finish()
    assert 1 == await one.charged()


@pytest.mark.parametrize("last_first", [False, True])
@pytest.mark.parametrize("nodes", list(itertools.product(BEHAVIOURS, repeat=2)), ids="-".join)
@pytest.mark.parametrize("user", [ALICE, replace(ALICE, phones=())], ids=["called", "without a phone"])
async def test_copies_of_a_right_password_at_two_nodes_are_refunded_once(nodes, last_first, user):
    one = Node(nodes[0], user=user)
    two = Node(nodes[1], one.harness.store, user)
    for _ in range(2):
        await one.harness.store.apply_limits(limits().for_password(one._name, ""))
    for node in (one, two):
        await node.start("right")
    for node in (two, one) if last_first else (one, two):
        await node.finish()
    if nodes == ("crashed", "crashed"):
        retransmission = Node("verifies", one.harness.store, user)
        await retransmission.start("right")
        await retransmission.finish()
    assert 2 == await one.charged()
    if "verifies" in nodes and user is ALICE:
        assert 1 == len(one.harness.provider.requests) + len(two.harness.provider.requests)


async def test_a_guess_whose_charge_was_refunded_is_not_verified_for_free_at_the_limit():
    overloaded = Node("overloaded")
    other = Node("verifies", overloaded.harness.store)
    for node in (overloaded, other):
        await node.start("wrong")
    await overloaded.finish()
    for _ in range(3):
        await other.harness.store.apply_limits(limits().for_password(other._name, ""))
    await other.finish()
    assert LIMITED == result_of(await other.login)
    assert Reason.REPLAY is (await other.harness.begin("wrong", packet=b"p" * 16)).reason


async def test_a_retransmission_of_a_refunded_request_beyond_the_limit_is_recorded():
    node = Node("overloaded")
    await node.start("wrong")
    await node.finish()
    for _ in range(3):
        await node.harness.store.apply_limits(limits().for_password(node._name, ""))
    assert LIMITED == result_of(await node.harness.begin("wrong", packet=b"p" * 16))
    assert Reason.REPLAY is (await node.harness.begin("wrong", packet=b"p" * 16)).reason


async def test_a_disabled_user_with_the_right_password_is_recorded_as_disabled_and_not_charged(harness):
    class Disabled(FakeDirectory):
        async def verify(self, claim, deadline):
            return Denied(Reason.DISABLED, "alice", password_correct=True)

    harness = LoginHarness(directory=Disabled(ALICE), limits=limits(user_key=1))
    for _ in range(3):
        trace = Trace(0.0, harness.clock)
        decision = await harness.flow.begin(harness.request(), trace)
        assert (Outcome.REJECT, Reason.DISABLED, "alice") == (*result_of(decision), decision.user)
        assert ("password", "right") == (trace.steps[0].name, trace.steps[0].detail)


async def test_an_expired_password_gets_the_text_of_its_source_and_neither_a_charge_nor_a_call():
    class Expired(FakeDirectory):
        async def verify(self, verification, deadline):
            return Denied(Reason.PASSWORD_EXPIRED, "alice", password_correct=True, text="Change it first.")

    harness = LoginHarness(directory=Expired(ALICE), limits=limits(user_key=1))
    for _ in range(3):
        decision = await harness.begin()
        assert (Outcome.REJECT, Reason.PASSWORD_EXPIRED) == result_of(decision)
        assert ("alice", "Change it first.") == (decision.user, decision.text)
    assert [] == harness.providers[0].requests


async def test_a_total_limit_of_wrong_passwords_exempts_returning_users():
    shared = {"client": limit("wrong_passwords.client", 2, Reason.WRONG_PASSWORD_LIMIT)}
    harness = LoginHarness(directory=FakeDirectory(ALICE, BOB), limits=Limits(failures=shared))
    await log_in(harness, calling_station_id=HOME)
    assert [WRONG, WRONG, LIMITED] == await guess(harness, 3, calling_station_id=ELSEWHERE)
    assert LIMITED == result_of(await harness.begin(name="bob"))
    assert CALLED == result_of(await harness.begin(calling_station_id=HOME))


async def test_concurrent_guesses_beyond_the_limit_of_a_gateway_are_all_recorded():
    shared = {"client": limit("wrong_passwords.client", 1, Reason.WRONG_PASSWORD_LIMIT)}
    harness = LoginHarness(directory=FakeDirectory(ALICE), limits=Limits(failures=shared))
    packets = [bytes([number]) * 16 for number in range(3)]
    harness.directory.gate = asyncio.Event()
    guesses = [asyncio.create_task(harness.begin("wrong", packet=packet)) for packet in packets]
    for _ in packets:
        await harness.directory.verifications_started.acquire()
    harness.directory.gate.set()
    await asyncio.gather(*guesses)
    again = [result_of(await harness.begin("wrong", packet=packet)) for packet in packets]
    assert [(Outcome.REJECT, Reason.REPLAY)] * 3 == again


async def test_a_check_reports_who_returns_and_from_which_station(harness):
    claims = []
    verify = harness.directory.verify

    async def recorded(claim, deadline):
        claims.append((claim.queue, claim.returning))
        return await verify(claim, deadline)

    harness.directory.verify = recorded
    await log_in(harness, calling_station_id=HOME)
    await harness.begin(calling_station_id=HOME)
    await harness.begin(calling_station_id="", name="bob")
    assert [(HOME, False), (HOME, True), ("client vpn", False)] == claims


async def test_a_store_that_fails_when_a_login_is_recorded_costs_no_login(harness):
    challenge = await harness.begin()

    async def down(key):
        raise Unavailable("store", "down")

    harness.store.get = down
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], challenge))


async def test_unlocking_clears_the_counts_of_a_name_and_of_each_known_station(harness):
    await log_in(harness, calling_station_id=HOME)
    await guess(harness, 3, calling_station_id=HOME)
    await guess(harness, 3, calling_station_id=ELSEWHERE)
    subject = harness.flow._dependencies.keys.name_subject("people", "ALICE")
    pairs = await known_pairs(harness.store, subject)
    assert 1 == len(pairs)
    await harness.store.apply_limits(with_action(LimitAction.RESET, harness.limits.about({}, [subject], pairs)))
    assert [WRONG] == await guess(harness, 1, calling_station_id=ELSEWHERE)
    assert CALLED == result_of(await harness.begin(calling_station_id=HOME))
