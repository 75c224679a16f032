"""PBKDF2 hashes of other programs: RFC 7914 section 11, and the encodings of Django, Werkzeug and passlib."""

import base64
import hashlib

import pytest

from radius_voice.identity.decoys import unmatched, verify_once
from radius_voice.identity.passwords import cost_of, hash_password, salt_of, verify
from radius_voice.identity.pbkdf2 import Pbkdf2

RFC_7914 = [
    ("passwd", "pbkdf2:sha256:1$salt$55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"),
    ("Password", "pbkdf2:sha256:80000$NaCl$4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"),
]
PASSLIB = "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44"


def django(password, iterations=1000):
    checksum = hashlib.pbkdf2_hmac("sha256", password.encode(), b"saltsalt", iterations)
    return f"pbkdf2_sha256${iterations}$saltsalt${base64.b64encode(checksum).decode()}"


@pytest.mark.parametrize(("password", "hashed"), [*RFC_7914, ("password", PASSLIB)])
def test_published_hashes_are_verified(password, hashed):
    assert verify(hashed, password)
    assert not verify(hashed, password + "x")


@pytest.mark.parametrize("password", ["größe ÄÖÜß", "🔑 emoji", "100 % a,b", "x" * 128])
def test_a_hash_of_django_is_verified(password):
    assert verify(django(password), password)
    assert not verify(django(password), password[:-1])


@pytest.mark.parametrize("position", range(len(RFC_7914[0][1]) - 64, len(RFC_7914[0][1])))
def test_a_hash_with_any_changed_digit_is_not_accepted(position):
    password, hashed = RFC_7914[0]
    changed = "0" if hashed[position] != "0" else "1"
    assert not verify(hashed[:position] + changed + hashed[position + 1 :], password)


@pytest.mark.parametrize(
    ("hashed", "error"),
    [
        ("pbkdf2_sha1$1000$saltsalt$AAAA", "not a PBKDF2 hash with SHA-256"),
        ("pbkdf2_sha256$0$saltsalt$AAAA", "not a PBKDF2 hash"),
        ("pbkdf2:md5:1000$saltsalt$00", "not a PBKDF2 hash"),
        (django("x").replace("$1000$", "$5000001$"), "exceeds the maximum of 5000000 iterations"),
        (django("x").replace("saltsalt", "sal"), "a damaged PBKDF2 hash"),
        (django("x").replace("=", "")[:-4], "a damaged PBKDF2 hash"),
        ("pbkdf2:sha256:1000$salt$" + "0" * 62, "a damaged PBKDF2 hash"),
        (
            "$2b$12$abcdefghijklmnopqrstuuG9bVPCXSFo6jVnNpZn2Yc8fKzEzv3S6",
            "not a hash in a supported format, which are argon2id and PBKDF2",
        ),
        ("$6$rounds=5000$saltsalt$abc", "not a hash in a supported format, which are argon2id and PBKDF2"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "not a hash in a supported format, which are argon2id and PBKDF2"),
    ],
)
def test_another_hash_is_refused_without_its_text(hashed, error):
    with pytest.raises(ValueError, match=error) as raised:
        cost_of(hashed)
    assert hashed not in str(raised.value)


@pytest.mark.parametrize(
    ("hashed", "cost"),
    [
        (django("x"), Pbkdf2("sha256", 1000)),
        (PASSLIB, Pbkdf2("sha256", 6400)),
        (f"pbkdf2:sha512:2000$saltsalt${'0' * 128}", Pbkdf2("sha512", 2000)),
    ],
)
def test_an_unmatched_hash_has_the_same_cost(hashed, cost):
    assert cost == cost_of(hashed) == cost_of(unmatched(cost))
    assert not verify(unmatched(cost), "")
    verify_once(cost)


@pytest.mark.parametrize(
    ("hashed", "salt"),
    [
        (django("x"), "pbkdf2_sha256$1000$saltsalt"),
        (RFC_7914[1][1], "pbkdf2:sha256:80000$NaCl"),
        (PASSLIB, "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg"),
    ],
)
def test_the_salt_of_each_encoding_includes_the_parameters(hashed, salt):
    assert salt == salt_of(hashed)


def test_an_argon2id_hash_keeps_its_cost():
    assert "m=19456,t=2,p=1" == str(cost_of(hash_password("x")))
