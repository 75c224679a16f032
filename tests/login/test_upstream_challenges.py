"""Challenges of the first factor itself: relayed, answered once, and followed by the call."""

import asyncio

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.first_factor.password_limits import pair_subject
from radius_voice.login.first_factor.upstream_challenges import ANSWER_SECONDS, MAX_CHALLENGES, PendingChallenge
from radius_voice.login.limits.configured import Limits
from radius_voice.login.limits.rate_limits import remaining
from radius_voice.login.model import Denied, PapPassword, Unavailable, User, Verification
from radius_voice.login.phone import Phone
from radius_voice.login.upstream import ChallengeRequired
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, limit, result_of
from tests.login.test_exemptions import ALICE_EXEMPT

BOB = User("bob-id", "bob", (Phone("+12025550199"),))
ASKED = (Outcome.CHALLENGE, Reason.UPSTREAM_CHALLENGE)
CALLED = (Outcome.CHALLENGE, Reason.CALL_PLACED)
UNKNOWN = (Outcome.REJECT, Reason.UNKNOWN_STATE)


LIMITED = (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT)
REPLAYED = (Outcome.REJECT, Reason.REPLAY)
PACKET = b"p" * 16
DAY = 86400.0


class AskingUpstream(FakeDirectory):
    """Asks for a new password after the right one, and again after the answer "again". Right is then "new"."""

    def __init__(self, *users):
        super().__init__(*users)
        self.verified = []
        self.correct_but_denied = False
        self.overloaded = False

    async def verify(self, verification, deadline):
        self.verified.append((verification.context, verification.credentials.text))
        if not verification.context or verification.credentials.text == "again":
            await super().verify(replace(verification, credentials=PapPassword("right")), deadline)
            if self.overloaded:
                raise Unavailable("nps", "overload")
            return ChallengeRequired(b"context %d" % len(self.verified), "New password?", echo=True)
        verified = await super().verify(verification, deadline)
        if self.correct_but_denied:
            return Denied(Reason.DISABLED, password_correct=True)
        return verified


@pytest.fixture
def upstream():
    upstream = AskingUpstream(ALICE, BOB)
    upstream.password = "new"
    return upstream


@pytest.fixture
def harness(upstream):
    failures = {"user": limit("wrong_passwords.user", 2, Reason.WRONG_PASSWORD_LIMIT)}
    return LoginHarness(
        directory=FakeDirectory(ALICE, BOB),
        limits=Limits(failures=failures),
        policy={"first_factor": upstream, "first_factor_name": "nps"},
    )


@pytest.fixture
def other_node(harness):
    """A node with the same store, at which verifications end without a result."""
    upstream = AskingUpstream(ALICE, BOB)
    upstream.overloaded = True
    policy = harness.policy | {"first_factor": upstream}
    node = LoginHarness(directory=harness.directory, limits=harness.limits, policy=policy)
    node.restart_with(harness.store)
    return node


def name_of(harness):
    return harness.flow._dependencies.keys.name_subject("nps", "alice")


async def charge(harness, times):
    for _ in range(times):
        await harness.store.apply_limits(harness.limits.for_password(name_of(harness), ""))


async def charged(harness, subject=None):
    """How many failures are charged to the user."""
    (operation,) = harness.limits.for_password(subject or name_of(harness), "")
    tat = (await harness.store.arrival_times([operation]))[operation]
    return 2 - remaining(tat, operation.limit, harness.clock.now)


async def copies_at_two_nodes(harness, other_node):
    """Copies of an initial request, of which the other node's ends without a result before this node's."""
    tasks, gates = [], []
    for node in (other_node, harness):
        first_factor = node.policy["first_factor"]
        first_factor.gate = asyncio.Event()
        gates.append(first_factor.gate)
        tasks.append(asyncio.ensure_future(node.begin(packet=PACKET)))
        await first_factor.verifications_started.acquire()
    gates[0].set()
    assert Outcome.NO_RESPONSE is (await tasks[0]).outcome
    return tasks[1], gates[1]


async def test_the_challenge_is_relayed_and_the_call_follows_its_answer(harness, upstream):
    asked = await harness.begin()
    assert (ASKED, "New password?", "alice", True) == (result_of(asked), asked.text, asked.user, asked.echo)
    again = await harness.answer("again", asked)
    assert ASKED == result_of(again)
    assert asked.state != again.state
    assert [] == harness.provider.requests
    called = await harness.answer("new", again)
    assert CALLED == result_of(called)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], called))
    assert [(b"", "right"), (b"context 1", "again"), (b"context 2", "new")] == upstream.verified


async def test_a_response_that_is_repeated_gets_the_same_challenge_and_is_verified_once(harness, upstream):
    asked = await harness.begin()
    again = [await harness.answer("again", asked) for _ in range(2)]
    assert again[0].state == again[1].state
    called = [await harness.answer("new", again[0]) for _ in range(2)]
    assert [CALLED, (Outcome.CHALLENGE, Reason.JOINED)] == [result_of(each) for each in called]
    assert called[0].state == called[1].state
    assert 3 == len(upstream.verified)
    assert 1 == len(harness.provider.requests)


async def test_simultaneous_copies_of_a_response_are_verified_once(harness, upstream):
    asked = await harness.begin()
    upstream.gate = asyncio.Event()
    copies = [asyncio.ensure_future(harness.answer("again", asked)) for _ in range(2)]
    await upstream.verifications_started.acquire()
    await upstream.verifications_started.acquire()
    upstream.gate.set()
    first, second = await asyncio.gather(*copies)
    assert (ASKED, first.state) == (result_of(first), second.state)
    assert 2 == len(upstream.verified)


async def test_a_copy_at_another_node_gets_no_response_until_the_first_is_verified(harness, upstream):
    asked = await harness.begin()
    upstream.gate = asyncio.Event()
    first = asyncio.ensure_future(harness.answer("again", asked))
    await upstream.verifications_started.acquire()
    await upstream.verifications_started.acquire()
    harness.restart_with(harness.store)
    assert (Outcome.NO_RESPONSE, Reason.IDENTITY_UNAVAILABLE) == result_of(await harness.answer("again", asked))
    upstream.gate.set()
    assert (await first).state == (await harness.answer("again", asked)).state


async def test_a_second_response_to_the_same_challenge_is_rejected(harness):
    asked = await harness.begin()
    assert CALLED == result_of(await harness.answer("new", asked))
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(await harness.answer("other", asked))


async def test_a_copy_of_the_initial_request_gets_the_same_state(harness):
    packet = b"p" * 16
    first, second = await harness.begin(packet=packet), await harness.begin(packet=packet)
    assert first.state == second.state
    assert CALLED == result_of(await harness.answer("new", first))


async def test_a_recorded_initial_request_gets_its_challenge_and_nothing_else(harness, upstream):
    asked = await harness.begin(packet=PACKET)
    assert CALLED == result_of(await harness.answer("new", asked))
    harness.clock.now += ANSWER_SECONDS - 1
    again = await harness.begin(packet=PACKET)
    assert (ASKED, asked.state) == (result_of(again), again.state)
    harness.clock.now += 2
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))
    assert 2 == len(upstream.verified)
    assert 1 == len(harness.provider.requests)


async def test_a_wrong_answer_is_rejected_once_and_stays_charged(harness):
    asked = await harness.begin()
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD) == result_of(await harness.answer("wrong", asked))
    assert (Outcome.REJECT, Reason.REPLAY) == result_of(await harness.answer("wrong", asked))
    assert ASKED == result_of(await harness.begin())
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT) == result_of(await harness.begin())


async def test_a_right_answer_refunds_the_charge(harness):
    for _ in range(4):
        called = await harness.answer("new", await harness.begin())
        assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], called))
        await harness.flow.drain()


async def test_a_right_answer_of_a_user_who_may_not_log_in_refunds_the_charge_too(harness, upstream):
    upstream.correct_but_denied = True
    for _ in range(4):
        assert (Outcome.REJECT, Reason.DISABLED) == result_of(await harness.answer("new", await harness.begin()))


@pytest.mark.parametrize("other", [{"client": "other"}, {"name": "bob"}, {"calling_station_id": "198.51.100.66"}])
async def test_the_state_is_of_one_client_user_and_station(harness, upstream, other):
    asked = await harness.begin()
    assert UNKNOWN == result_of(await harness.answer("new", asked, **other))
    assert 1 == len(upstream.verified)
    assert CALLED == result_of(await harness.answer("new", asked))


async def test_an_invented_state_is_unknown(harness):
    assert UNKNOWN == result_of(await harness.answer("new", b"\x02" + bytes(16)))
    assert UNKNOWN == result_of(await harness.answer("new", b"\x02"))


async def test_a_policy_without_first_factor_knows_no_state(harness, upstream):
    asked = await harness.begin()
    other = LoginHarness(directory=harness.directory, policy={"first_factor": None, "first_factor_name": "nps"})
    other.restart_with(harness.store)
    assert UNKNOWN == result_of(await other.answer("new", asked))


async def test_the_challenge_ends_after_a_time_that_further_ones_do_not_extend(harness):
    asked = await harness.begin()
    harness.clock.now += ANSWER_SECONDS - 1
    again = await harness.answer("again", asked)
    assert ASKED == result_of(again)
    harness.clock.now += 2
    assert UNKNOWN == result_of(await harness.answer("new", again))


async def test_the_number_of_challenges_is_bounded(harness, upstream):
    asked = await harness.begin()
    count = 1
    while asked.outcome is Outcome.CHALLENGE:
        asked = await harness.answer("again", asked)
        count += asked.outcome is Outcome.CHALLENGE
    assert (MAX_CHALLENGES, Reason.NO_ATTEMPTS_LEFT) == (count, asked.reason)


async def test_a_response_can_be_sent_again_after_the_first_factor_was_unavailable(harness, upstream):
    asked = await harness.begin()
    upstream.unavailable = True
    assert Outcome.NO_RESPONSE is (await harness.answer("new", asked)).outcome
    upstream.unavailable = False
    assert CALLED == result_of(await harness.answer("new", asked))


async def test_a_challenge_that_cannot_be_kept_is_refunded(harness, upstream, monkeypatch):
    async def fail(*_):
        raise Unavailable("store", "down")

    with monkeypatch.context() as patched:
        patched.setattr(harness.store, "put", fail)
        for _ in range(4):
            assert (Outcome.NO_RESPONSE, Reason.STORE_UNAVAILABLE) == result_of(await harness.begin())
    assert ASKED == result_of(await harness.begin())


async def test_the_stored_challenge_is_encrypted(harness, monkeypatch):
    kept = {}
    put = harness.store.put

    async def recorded(key, value, ttl):
        kept[key] = (value, ttl)
        await put(key, value, ttl)

    monkeypatch.setattr(harness.store, "put", recorded)
    asked = await harness.begin()
    ((key, (value, ttl)),) = kept.items()
    assert ANSWER_SECONDS == ttl
    assert [] == [octets for octets in (b"context", b"alice", asked.state) if octets in value + key]


async def test_a_long_text_is_cut_in_whole_characters(harness, upstream):
    async def ask(verification, deadline):
        return ChallengeRequired(b"context", "ü" * 200)

    upstream.verify = ask
    asked = await harness.begin()
    assert "ü" * 126 == asked.text
    assert not asked.echo
    assert "ChallengeRequired()" == repr(ChallengeRequired(b"context", "text"))
    pending = PendingChallenge("nps", "typed", "", ChallengeRequired(b"context", "text"), False, False, 1, 0.0)
    assert "PendingChallenge()" == repr(pending)
    assert "Verification()" == repr(Verification("typed", PapPassword("typed"), context=b"context"))


async def test_a_response_that_is_too_late_is_refunded_once(harness):
    await charge(harness, 1)
    asked = await harness.begin()
    assert Outcome.NO_RESPONSE is (await harness.answer("new", asked, late=9.0)).outcome
    await harness.flow.drain()
    assert 1 == await charged(harness)
    assert CALLED == result_of(await harness.answer("new", asked))
    assert 1 == await charged(harness)


async def test_a_response_whose_charge_was_refunded_is_not_verified_for_free_at_the_limit(harness, upstream):
    asked = await harness.begin()
    upstream.unavailable = True
    assert Outcome.NO_RESPONSE is (await harness.answer("new", asked)).outcome
    upstream.unavailable = False
    await charge(harness, 2)
    assert LIMITED == result_of(await harness.answer("new", asked))
    assert REPLAYED == result_of(await harness.answer("new", asked))
    assert [(b"", "right"), (b"context 1", "new")] == upstream.verified


async def test_a_right_answer_refunds_the_separate_allowance_of_a_returning_user(harness):
    async def log_in():
        called = await harness.answer("new", await harness.begin())
        assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], called))
        await harness.flow.drain()

    await log_in()
    harness.clock.now += 2 * DAY
    await log_in()
    station = harness.flow._dependencies.keys.calling_station(name_of(harness), "192.0.2.9")
    assert 0 == await charged(harness, pair_subject(name_of(harness), station))


async def test_the_answer_to_too_many_challenges_stays_charged_and_is_recorded(harness):
    asked = [await harness.begin()]
    while asked[-1].outcome is Outcome.CHALLENGE:
        asked.append(await harness.answer("again", asked[-1]))
    assert REPLAYED == result_of(await harness.answer("again", asked[-2]))
    assert 1 == await charged(harness)


async def test_a_challenge_whose_charge_another_node_has_refunded_is_charged_again(harness, other_node):
    login, gate = await copies_at_two_nodes(harness, other_node)
    assert 0 == await charged(harness)
    gate.set()
    assert ASKED == result_of(await login)
    assert 1 == await charged(harness)


async def test_no_challenge_is_relayed_for_free_at_the_limit(harness, other_node):
    login, gate = await copies_at_two_nodes(harness, other_node)
    await charge(harness, 2)
    gate.set()
    assert LIMITED == result_of(await login)
    assert 2 == await charged(harness)


async def test_an_exempt_user_answers_the_challenge_and_is_accepted_without_a_call(upstream):
    failures = {"user": limit("wrong_passwords.user", 2, Reason.WRONG_PASSWORD_LIMIT)}
    policy = {"first_factor": upstream, "first_factor_name": "nps", "exemptions": (ALICE_EXEMPT,)}
    harness = LoginHarness(directory=FakeDirectory(ALICE), limits=Limits(failures=failures), policy=policy)
    challenge = await harness.begin(packet=PACKET)
    accept = await harness.answer("new", challenge)
    assert [ASKED, (Outcome.ACCEPT, Reason.EXEMPT)] == [result_of(challenge), result_of(accept)]
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(await harness.answer("new", challenge))
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(await harness.answer("other", challenge))
    harness.clock.now += 31
    assert REPLAYED == result_of(await harness.answer("new", challenge))
    assert 0 == await charged(harness)
