"""Enrolments as the store keeps them, and their codes and wording."""

from msgspec.structs import replace

from radius_voice.login.code_message import Say, lines
from radius_voice.login.codes import Keys
from radius_voice.login.deliveries import CodeMessage
from radius_voice.login.enrolment import Enrolment, decode, encode, enrolment_key, new_enrolment_id
from radius_voice.login.model import CallRef
from radius_voice.messages import LANGUAGES

KEYS = Keys(b"k" * 32)
ENROLMENT = Enrolment("people:alice", b"phone", b"code", 3, 1000.0)


def test_an_enrolment_is_read_back_and_an_ended_one_is_none():
    for each in (ENROLMENT, replace(ENROLMENT, call=CallRef("twilio", "CA1"))):
        assert each == decode(encode(each))
    assert decode(None) is None
    assert decode(b"") is None
    assert "alice" not in repr(ENROLMENT)


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
