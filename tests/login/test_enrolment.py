"""Enrolments as the store keeps them, and their codes and wording."""

import asyncio

from msgspec.structs import replace

from radius_voice.login.codes.keys import Keys
from radius_voice.login.deliveries.code_message import Say, lines
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.model import CallRef, Limited
from radius_voice.login.policies.enrolment import (
    LIFETIME_SECONDS,
    Enrolment,
    decode,
    encode,
    enrolment_key,
    new_enrolment_id,
    one_attempt,
)
from radius_voice.messages import LANGUAGES
from radius_voice.stores.memory import MemoryStore

KEYS = Keys(b"k" * 32)
ENROLMENT = Enrolment("people:alice", b"phone", b"code", 3, 1000.0)


def test_an_enrolment_is_read_back_and_an_ended_one_is_none():
    for each in (ENROLMENT, replace(ENROLMENT, call=CallRef("twilio", "CA1"))):
        assert each == decode(encode(each))
    assert decode(None) is None
    assert decode(b"") is None
    assert "alice" not in repr(ENROLMENT)


async def test_simultaneous_codes_use_each_attempt_once():
    store = MemoryStore(lambda: 500.0)
    attempts = [one_attempt("id", ENROLMENT) for _ in range(10)]
    results = await asyncio.gather(*(store.apply_limits([each]) for each in attempts))
    assert [None] * 3 == [each for each in results if each is None]
    assert await store.apply_limits([one_attempt("other", ENROLMENT)]) is None


async def test_an_attempt_does_not_come_back_while_the_enrolment_lasts():
    now = [0.0]
    store = MemoryStore(lambda: now[0])
    for _ in range(3):
        assert await store.apply_limits([one_attempt("id", ENROLMENT)]) is None
    now[0] = LIFETIME_SECONDS
    assert isinstance(await store.apply_limits([one_attempt("id", ENROLMENT)]), Limited)


def test_ids_and_keys_of_enrolments_differ():
    first, second = new_enrolment_id(), new_enrolment_id()
    assert 32 == len(first)
    assert enrolment_key(first) != enrolment_key(second)


def test_the_hash_of_an_enrolments_code_is_no_hash_of_a_login():
    code = KEYS.enrolment_code("id", "123456")
    assert code not in (
        KEYS.code(b"id", "123456"),
        KEYS.issued_code("id", "123456"),
        KEYS.enrolment_code("i", "123456"),
    )


def test_the_call_of_an_enrolment_says_so_in_every_language():
    for language in LANGUAGES:
        message = CodeMessage(language, "ACME VPN", "1234")
        login = [line.text for line in lines(message) if isinstance(line, Say)]
        enrolment = [line.text for line in lines(replace(message, enrolment=True)) if isinstance(line, Say)]
        assert len(login) == len(enrolment)
        differing = [number for number, (one, other) in enumerate(zip(login, enrolment, strict=True)) if one != other]
        assert [1, len(login) - 1] == differing
        assert 3 == enrolment.count("4")
