import asyncio
import threading
import unicodedata

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

from radius_voice.identity.passwords import (
    CHEAPEST,
    DEFAULT,
    Hasher,
    Parameters,
    Turn,
    hash_password,
    outdated,
    parameters_of,
    verify,
)
from radius_voice.login.model import Unavailable

SALT = "c29tZXNhbHRzb21lc2FsdA"
DIGEST = "A" * 43
HASH = hash_password("arctangent", CHEAPEST)


def written(parameters="m=8,t=1,p=1", salt=SALT, digest=DIGEST, kind="argon2id", version=19):
    return f"${kind}$v={version}${parameters}${salt}${digest}"


def test_the_default_is_the_minimum_that_owasp_recommends():
    assert Parameters(memory=19456, time=2, parallelism=1) == DEFAULT
    assert DEFAULT == parameters_of(hash_password("arctangent"))


def test_hashes_are_interchangeable_with_the_library():
    assert PasswordHasher().verify(HASH, "arctangent")
    theirs = PasswordHasher(time_cost=1, memory_cost=16, parallelism=2).hash("arctangent")
    assert verify(theirs, "arctangent")
    assert Parameters(memory=16, time=1, parallelism=2) == parameters_of(theirs)


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=50)
def test_only_the_password_itself_is_accepted(password, other):
    hashed = hash_password(password, CHEAPEST)
    assert verify(hashed, password)
    assert verify(hashed, other) == (unicodedata.normalize("NFC", password) == unicodedata.normalize("NFC", other))


def test_two_hashes_of_one_password_differ():
    assert HASH != hash_password("arctangent", CHEAPEST)


def test_composed_and_decomposed_accents_are_the_same_password():
    assert verify(hash_password("gr\u00fc\u00dfe", CHEAPEST), "gru\u0308\u00dfe")
    assert PasswordHasher().verify(hash_password("gru\u0308\u00dfe", CHEAPEST), "gr\u00fc\u00dfe")


def test_a_lone_surrogate_raises_no_error_that_shows_it():
    assert not verify(HASH, "hush\ud800")


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        (CHEAPEST, True),
        (Parameters(19456, 1, 1), True),
        (Parameters(19456, 2, 1), False),
        (Parameters(19456, 2, 4), False),
        (Parameters(47104, 1, 1), False),
    ],
)
def test_a_hash_with_lower_cost_is_outdated(parameters, answer):
    hashed = written(f"m={parameters.memory},t={parameters.time},p={parameters.parallelism}")
    assert answer == outdated(hashed)


@pytest.mark.parametrize(
    ("hashed", "fix"),
    [
        ("", "not an argon2id hash"),
        ("hush", "not an argon2id hash"),
        ("$2b$12$hush", "not an argon2id hash"),
        (written(kind="argon2i"), "not an argon2id hash"),
        (written(version=16), "not an argon2id hash"),
        (written("m=8,t=1"), "not an argon2id hash"),
        (written("m=08,t=1,p=1"), "not an argon2id hash"),
        (written("m=0,t=1,p=1"), "not an argon2id hash"),
        (written("m=8,t=1,p=1,data=hush"), "not an argon2id hash"),
        (written(digest="hush!"), "not an argon2id hash"),
        (written() + "\n", "not an argon2id hash"),
        (written("m=٨,t=1,p=1"), "not an argon2id hash"),
        (written("m=1048577,t=1,p=1"), "exceeds the maximum"),
        (written("m=8,t=21,p=1"), "exceeds the maximum"),
        (written("m=1024,t=1,p=17"), "exceeds the maximum"),
        (written("m=9999999999,t=1,p=1"), "not an argon2id hash"),
        (written("m=7,t=1,p=1"), "damaged"),
        (written("m=8,t=1,p=2"), "damaged"),
        (written(salt="aaaa"), "damaged"),
        (written(salt="a" * 21), "damaged"),
        (written(digest="A" * 20), "damaged"),
        (written(digest="A" * 42 + "B"), "damaged"),
    ],
)
def test_an_unacceptable_hash_is_refused_without_showing_it(hashed, fix):
    with pytest.raises(ValueError, match=fix) as refused:
        parameters_of(hashed)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("parameters", ["m=8,t=1,p=1", "m=16,t=3,p=2"])
@pytest.mark.parametrize("digest", [22, 43, 86])
def test_argon2_can_verify_every_accepted_hash(parameters, digest):
    hashed = written(parameters, digest="A" * digest)
    parameters_of(hashed)
    assert not verify(hashed, "arctangent")


# In threads


@pytest.fixture
def gate():
    """Delays every check until it is set. Its checks succeed."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def hashers():
    """Makes hashers, and ends their threads after the test."""
    made = []

    def make(**settings):
        made.append(Hasher(**settings))
        return made[-1]

    yield make
    for hasher in made:
        hasher.close()


def behind(gate):
    def check(hashed, text):
        gate.wait(30)
        return True

    return check


def now():
    return asyncio.get_running_loop().time()


async def started(coroutine):
    """Run `coroutine` up to where it waits."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task


async def test_a_password_is_verified_outside_the_event_loop(hashers):
    hasher = hashers()
    assert await hasher.verify(HASH, "arctangent", now() + 30)
    assert not await hasher.verify(HASH, "wrong", now() + 30)


async def test_the_event_loop_runs_while_passwords_are_verified(hashers, gate):
    hasher = hashers(threads=1, check=behind(gate))
    task = await started(hasher.verify(HASH, "arctangent", now() + 30))
    gate.set()  # only a loop that goes on gets here
    assert await task


async def test_a_passed_deadline_starts_no_verification(hashers):
    asked = []
    hasher = hashers(check=lambda *_: asked.append(1))
    with pytest.raises(Unavailable, match="too late to start"):
        await hasher.verify(HASH, "arctangent", now())
    assert asked == []


async def test_a_verification_in_progress_returns_its_result_after_the_deadline(hashers, gate):
    hasher = hashers(threads=1, check=behind(gate))
    running = await started(hasher.verify(HASH, "arctangent", now() + 0.01))
    with pytest.raises(Unavailable, match="not started in time"):
        await hasher.verify(HASH, "queued behind it", now() + 0.02)
    gate.set()
    assert await running


async def test_an_expired_verification_is_not_started(hashers, gate):
    asked = []

    def check(hashed, text):
        asked.append(text)
        gate.wait(30)
        return True

    hasher = hashers(threads=1, check=check)
    first = await started(hasher.verify(HASH, "first", now() + 30))
    with pytest.raises(Unavailable):
        await hasher.verify(HASH, "second", now() + 0.01)
    gate.set()
    assert await first
    assert await hasher.verify(HASH, "third", now() + 30)
    assert ["first", "third"] == asked


async def test_a_full_queue_refuses_the_newest_of_the_queue_with_most_waiting(hashers, gate):
    hasher = hashers(threads=1, max_queued=2, check=behind(gate))
    tasks = [await started(hasher.verify(HASH, "arctangent", now() + 30, Turn("a"))) for _ in range(3)]
    with pytest.raises(Unavailable, match="2 verifications are queued already"):
        await hasher.verify(HASH, "arctangent", now() + 30, Turn("a"))
    other = await started(hasher.verify(HASH, "arctangent", now() + 30, Turn("b")))
    with pytest.raises(Unavailable, match="2 verifications are queued already"):
        await tasks.pop()
    gate.set()
    assert [True] * 3 == await asyncio.gather(*tasks, other)
    assert hasher.idle


async def test_expired_requests_leave_a_full_queue_first(hashers, gate):
    hasher = hashers(threads=1, max_queued=1, check=behind(gate))
    running = await started(hasher.verify(HASH, "arctangent", now() + 30))
    given_up = await started(hasher.verify(HASH, "arctangent", now() + 30))
    given_up.cancel()
    await asyncio.sleep(0)
    waiting = await started(hasher.verify(HASH, "arctangent", now() + 30))
    gate.set()
    assert [True, True] == list(await asyncio.gather(running, waiting))


async def test_returning_users_are_verified_first_and_the_others_round_robin(hashers, gate):
    order = []

    def check(hashed, text):
        gate.wait(30)
        order.append(text)
        return True

    hasher = hashers(threads=1, check=check)
    turns = [("running", Turn("x")), *[(f"flood{n}", Turn("flood")) for n in range(3)], ("new", Turn("new"))]
    turns += [("returning", Turn("flood", returning=True))]
    tasks = [await started(hasher.verify(HASH, text, now() + 30, turn)) for text, turn in turns]
    gate.set()
    await asyncio.gather(*tasks)
    assert ["running", "returning", "flood0", "new", "flood1", "flood2"] == order


async def test_a_reload_can_reduce_the_queue(hashers, gate):
    hasher = hashers(threads=1, check=behind(gate))
    hasher.set_max_queued(0)
    running = await started(hasher.verify(HASH, "arctangent", now() + 30))
    with pytest.raises(Unavailable, match="0 verifications are queued already"):
        await hasher.verify(HASH, "arctangent", now() + 30)
    gate.set()
    assert await running


async def test_a_closed_hasher_refuses_queued_work(hashers, gate):
    hasher = hashers(threads=1, check=behind(gate))
    hasher._pool.submit(gate.wait, 30)
    waiting = await started(hasher.verify(HASH, "arctangent", now() + 30))
    hasher.close()
    with pytest.raises(Unavailable, match="the service is stopping"):
        await waiting
    gate.set()


def clock_of(step):
    ticks = iter(range(10**6))
    return lambda: next(ticks) * step


async def test_a_verification_that_would_miss_its_deadline_is_not_started(hashers, gate):
    hasher = hashers(threads=1, check=behind(gate), clock=clock_of(10.0))
    gate.set()
    assert await hasher.verify(HASH, "it took ten seconds", now() + 30)
    gate.clear()
    running = await started(hasher.verify(HASH, "arctangent", now() + 30))
    hasty = await started(hasher.verify(HASH, "arctangent", now() + 9))
    patient = await started(hasher.verify(HASH, "arctangent", now() + 25))
    gate.set()
    assert [True, True] == list(await asyncio.gather(running, patient))
    with pytest.raises(Unavailable, match="longer than the gateway waits"):
        await hasty


async def test_one_slow_verification_does_not_refuse_all_later_ones(hashers):
    hasher = hashers(threads=1, check=lambda *_: True, clock=clock_of(1000.0))
    assert await hasher.verify(HASH, "it took a thousand seconds", now() + 30)
    assert await hasher.verify(HASH, "arctangent", now() + 30)


async def test_argon2_out_of_memory_is_unavailable_and_not_a_wrong_password(hashers):
    def check(hashed, text):
        raise VerificationError("Memory allocation error")

    with pytest.raises(Unavailable, match="password verification: argon2 failed: Memory allocation error"):
        await hashers(check=check).verify(HASH, "arctangent", now() + 30)


async def test_hashing_outside_the_event_loop_uses_the_given_parameters(hashers):
    hashed = await hashers().hash("arctangent", CHEAPEST)
    assert CHEAPEST == parameters_of(hashed)
    assert verify(hashed, "arctangent")
