"""Wrong passwords that are forwarded to a directory stay below the threshold at which it locks the account."""

import asyncio
import random

import pytest

from radius_voice.events import Outcome, Reason
from radius_voice.login.accounts import LockoutRule
from radius_voice.login.deliveries.adapter_reports import PossiblyForwarded
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import Denied, Unavailable
from radius_voice.trace import Trace
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, limit, result_of

LOCKED = (Outcome.REJECT, Reason.LOCKED)
LIMITED = (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT)
WRONG = (Outcome.REJECT, Reason.WRONG_PASSWORD)
CALLED = (Outcome.CHALLENGE, Reason.CALL_PLACED)
HOME, OFFICE, ELSEWHERE = "192.0.2.9", "192.0.2.10", "198.51.100.66"
WINDOW = 1800.0
MARGIN = 60.0


class LockingDirectory(FakeDirectory):
    """Counts wrong passwords as Active Directory does: from zero again `WINDOW` seconds after the latest one."""

    def __init__(self, clock, attempts):
        super().__init__(ALICE)
        self.users["CORP\\alice"] = ALICE
        self.clock = clock
        self.finds_accounts = True
        self.lockout = LockoutRule(attempts, WINDOW)
        self.wrong = 0
        self.latest = 0.0
        self.failure = None

    async def verify(self, verification, deadline):
        if self.failure is not None:
            raise self.failure
        result = await super().verify(verification, deadline)
        if isinstance(result, Denied) and result.reason is Reason.WRONG_PASSWORD:
            self.wrong = 1 if self.clock.now - self.latest > WINDOW else self.wrong + 1
            self.latest = self.clock.now
        return result


def harness_with(clock, attempts=5, limits=None):
    directory = LockingDirectory(clock, attempts)
    return LoginHarness(directory=directory, clock=clock, limits=limits or Limits())


@pytest.fixture
def harness(clock):
    return harness_with(clock)


async def guess(harness, times, station, **more):
    return [result_of(await harness.begin("wrong", calling_station_id=station, **more)) for _ in range(times)]


async def log_in(harness, station, **more):
    challenge = await harness.begin(calling_station_id=station, **more)
    code = harness.provider.codes[-1]
    assert ACCEPTED == result_of(await harness.answer(code, challenge, calling_station_id=station, **more))
    await harness.flow.drain()


async def test_one_less_than_the_threshold_is_forwarded_until_the_directory_counts_from_zero_again(harness):
    assert [WRONG] * 4 + [LOCKED] * 3 == await guess(harness, 7, ELSEWHERE)
    assert LOCKED == result_of(await harness.begin())
    harness.clock.now += WINDOW
    assert [LOCKED] == await guess(harness, 1, ELSEWHERE)
    harness.clock.now += MARGIN + 1
    assert [WRONG] * 4 + [LOCKED] == await guess(harness, 5, ELSEWHERE)
    assert 4 == harness.directory.wrong


async def test_the_audit_log_names_the_limit_and_the_user(harness):
    await guess(harness, 4, ELSEWHERE)
    trace = Trace(0.0, harness.clock)
    decision = await harness.flow.begin(harness.request(), trace)
    assert (LOCKED, "alice") == (result_of(decision), decision.user)
    assert [("limited", "directory_lockout.user")] == [(step.name, step.detail) for step in trace.steps]


async def test_an_outsider_leaves_attempts_for_the_station_of_the_user(harness):
    await log_in(harness, HOME)
    assert [WRONG] * 2 + [LOCKED] * 3 == await guess(harness, 5, ELSEWHERE)
    assert [WRONG] == await guess(harness, 1, HOME)
    await log_in(harness, HOME)
    assert [WRONG, LOCKED] == await guess(harness, 2, HOME)
    assert 4 == harness.directory.wrong


async def test_logins_of_the_user_do_not_keep_the_wrong_passwords_of_an_outsider_counted(harness):
    await log_in(harness, HOME)
    for _ in range(2):
        assert [WRONG] * 2 + [LOCKED] == await guess(harness, 3, ELSEWHERE)
        harness.clock.now += WINDOW / 2
        await log_in(harness, HOME)
        harness.clock.now += WINDOW / 2 + MARGIN + 1
    await log_in(harness, HOME)
    assert [WRONG] * 4 + [LOCKED] == await guess(harness, 5, HOME)


async def test_an_outsider_gets_no_further_attempts_while_the_directory_counts_those_before(harness):
    await log_in(harness, HOME)
    assert [WRONG] * 2 == await guess(harness, 2, ELSEWHERE)
    harness.clock.now += WINDOW / 2
    assert [WRONG] == await guess(harness, 1, HOME)
    harness.clock.now += WINDOW / 2 + MARGIN + 1
    assert [LOCKED] == await guess(harness, 1, ELSEWHERE)
    assert [WRONG, LOCKED] == await guess(harness, 2, HOME)


async def test_a_wrong_password_at_the_end_of_the_window_is_counted_until_the_next_one_ends(harness):
    await guess(harness, 3, HOME)
    harness.clock.now += WINDOW
    assert [WRONG] == await guess(harness, 1, HOME)
    harness.clock.now += WINDOW
    assert [LOCKED] == await guess(harness, 1, HOME)
    harness.clock.now += MARGIN + 1
    assert [WRONG] * 4 + [LOCKED] == await guess(harness, 5, HOME)


async def test_a_threshold_of_two_forwards_one_wrong_password(clock):
    harness = harness_with(clock, attempts=2)
    await log_in(harness, HOME)
    assert [WRONG, LOCKED] == await guess(harness, 2, ELSEWHERE)
    assert [LOCKED] == await guess(harness, 1, HOME)


async def test_all_names_of_an_account_share_one_count_and_its_known_stations(clock):
    limits = Limits(
        failures={
            "user": limit("wrong_passwords.user", 3, Reason.WRONG_PASSWORD_LIMIT),
            "user_at_station": limit("wrong_passwords.user_at_station", 2, Reason.WRONG_PASSWORD_LIMIT),
        }
    )
    harness = harness_with(clock, attempts=999, limits=limits)
    await log_in(harness, HOME)
    assert [WRONG] * 2 + [LIMITED] == await guess(harness, 3, ELSEWHERE)
    assert [LIMITED] == await guess(harness, 1, ELSEWHERE, name="CORP\\alice")
    assert [WRONG, LIMITED] == await guess(harness, 2, OFFICE, name="CORP\\alice")
    assert [WRONG] * 2 + [LIMITED] == await guess(harness, 3, HOME, name="CORP\\alice")
    assert [LIMITED] == await guess(harness, 1, HOME)


async def test_an_unknown_name_is_counted_separately(harness):
    assert [(Outcome.REJECT, Reason.UNKNOWN_USER)] * 4 + [LOCKED] == await guess(harness, 5, HOME, name="no-such")
    assert [WRONG] == await guess(harness, 1, HOME)


@pytest.mark.parametrize(("failure", "left"), [(PossiblyForwarded, 3), (Unavailable, 4)])
async def test_a_failed_verification_counts_if_the_directory_may_have_got_the_password(harness, failure, left):
    harness.directory.failure = failure("people", "down")
    assert Reason.IDENTITY_UNAVAILABLE is (await harness.begin("wrong", calling_station_id=ELSEWHERE)).reason
    harness.directory.failure = None
    assert [WRONG] * left + [LOCKED] == await guess(harness, left + 1, ELSEWHERE)


async def test_a_right_password_counts_nothing(harness):
    for _ in range(3):
        await log_in(harness, HOME)
    assert [WRONG] * 4 + [LOCKED] == await guess(harness, 5, HOME)


async def copy_at_another_node(harness, password, failure=None):
    """Copies of a request at two nodes, of which the first one crashes before its verification ends."""
    packet = b"p" * 16
    crashed = harness_with(harness.clock)
    crashed.restart_with(harness.store)
    crashed.directory.gate = asyncio.Event()
    pending = asyncio.create_task(crashed.begin(password, calling_station_id=ELSEWHERE, packet=packet))
    await crashed.directory.verifications_started.acquire()
    harness.directory.failure = failure
    decision = await harness.begin(password, calling_station_id=ELSEWHERE, packet=packet)
    harness.directory.failure = None
    pending.cancel()
    return result_of(decision)


@pytest.mark.parametrize(
    ("password", "failure", "counted"),
    [
        ("wrong", None, 2),
        ("right", None, 0),
        ("wrong", PossiblyForwarded("people", "down"), 2),
        ("wrong", Unavailable("people", "down"), 1),
    ],
)
async def test_a_copy_that_another_node_forwards_counts_once_more(harness, password, failure, counted):
    await copy_at_another_node(harness, password, failure)
    left = 4 - counted
    assert [WRONG] * left + [LOCKED] == await guess(harness, left + 1, ELSEWHERE)


async def test_a_copy_beyond_the_threshold_is_not_forwarded(clock):
    harness = harness_with(clock, attempts=2)
    assert LOCKED == await copy_at_another_node(harness, "wrong")
    assert 0 == harness.directory.wrong


@pytest.mark.parametrize("attempts", [2, 3, 4, 5])
async def test_no_sequence_of_attempts_reaches_the_threshold(clock, attempts):
    chosen = random.Random(attempts)
    harness = harness_with(clock, attempts)
    highest = 0
    for _ in range(400):
        clock.now += chosen.choice((0.0, 1.0, WINDOW / 3, WINDOW - 1, WINDOW + 1, WINDOW + MARGIN + 2))
        name = chosen.choice(("alice", "CORP\\alice"))
        station = chosen.choice((HOME, ELSEWHERE, ""))
        await harness.begin(chosen.choice(("wrong", "wrong", "right")), name=name, calling_station_id=station)
        highest = max(highest, harness.directory.wrong)
        assert harness.directory.wrong < attempts
    assert attempts - 1 == highest
