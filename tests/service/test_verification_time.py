"""A users file with a hash that takes longer than gateways wait is found, with its lines and the fix."""

import threading

import pytest
from argon2.exceptions import VerificationError

from radius_voice.bounded import WorkTimeout
from radius_voice.identity.passwords import CHEAPEST, Hasher, Parameters, hash_password
from radius_voice.identity.users_file.source import UsersFile
from radius_voice.service.verification_time import slow_verifications

SLOW = "$argon2id$v=19$m=65536,t=20,p=1$" + hash_password("x", CHEAPEST).split("$", 4)[4]
WITHIN = {"office": 2.5, "hasty": 0.2}


@pytest.fixture
def users(tmp_path):
    hasher = Hasher(threads=1)

    def written(text, name="users.yaml"):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        return UsersFile(path, hasher)

    yield written
    hasher.close()


def cheap(name):
    return f"{name}:\n  password: {hash_password('x', CHEAPEST)}\n"


def test_cheap_hashes_are_no_error(users):
    assert [] == list(slow_verifications({"people": users(cheap("alice"))}, WITHIN))


def test_a_slow_hash_is_an_error_with_its_line_and_the_fix(users):
    file = users(cheap("alice") + f"bob:\n  password: {SLOW}\n")
    problem = (
        f"identity.people: {file.path}: verifying one password with m=65536,t=20,p=1 takes longer than 0.1 s, "
        "half of the shortest response_timeout (clients.hasty); 1 user has such a hash (line 4); "
        f"for each run: radius-voice users set-password --file {file.path} NAME"
    )
    assert [problem] == list(slow_verifications({"people": file}, WITHIN))


def test_many_lines_are_counted_and_some_of_them_listed(users, monkeypatch):
    text = "".join(f'user{number}: {{password: "{SLOW[:-9]}{number:06}{SLOW[-3:]}"}}\n' for number in range(7))
    monkeypatch.setattr("radius_voice.service.verification_time.bounded", raising(WorkTimeout))
    (problem,) = slow_verifications({"people": users(text)}, WITHIN)
    assert "; 7 users have such hashes (lines 1, 2, 3, 4, 5, ...); " in problem


def test_each_file_is_timed_separately_the_cheapest_first(users, monkeypatch):
    timed = []

    def late(subject, work, seconds):
        timed.append((subject, seconds))
        raise WorkTimeout

    monkeypatch.setattr("radius_voice.service.verification_time.bounded", late)
    identity = {"costly": users(f"bob:\n  password: {SLOW}\n"), "cheap": users(cheap("alice"), "other.yaml")}
    problems = list(slow_verifications(identity, WITHIN))
    assert [(f"verification with {CHEAPEST}", 0.1), ("verification with m=65536,t=20,p=1", 0.1)] == timed
    assert ["identity.cheap", "identity.costly"] == [problem.split(":")[0] for problem in problems]


def test_a_verification_that_needs_more_memory_than_available_is_an_error(users, monkeypatch):
    failed = VerificationError("Memory allocation error")
    monkeypatch.setattr("radius_voice.identity.users_file.source.verify", raising(failed))
    (problem,) = slow_verifications({"people": users(cheap("alice"))}, WITHIN)
    assert f"verifying one password with {CHEAPEST} fails: Memory allocation error; 1 user has" in problem


def test_a_file_without_hashes_is_timed_with_the_parameters_of_new_ones(users, monkeypatch):
    monkeypatch.setattr("radius_voice.service.verification_time.bounded", raising(WorkTimeout))
    (problem,) = slow_verifications({"people": users("alice: {}\n")}, WITHIN)
    assert "no user has a password" in problem


def raising(problem):
    def bounded(*_):
        raise problem

    return bounded


def test_the_verification_uses_the_given_parameters(users, monkeypatch):
    checked, threads = [], []

    def verify(hashed, text):
        checked.append(hashed)
        threads.append(threading.current_thread().daemon)
        return False

    monkeypatch.setattr("radius_voice.identity.users_file.source.verify", verify)
    parameters = Parameters(64, 3, 2)
    file = users(cheap("alice") + f"bob:\n  password: {hash_password('x', parameters)}\n")
    assert [] == list(slow_verifications({"people": file}, WITHIN))
    assert ([f"$argon2id$v=19${parameters}"], [True]) == (
        [hashed.rpartition("$")[0].rpartition("$")[0] for hashed in checked],
        threads,
    )
