"""Salt-encrypted values. tests/server/test_upstream.py has FreeRADIUS as a peer."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.radius.salted import MAX_PLAIN_OCTETS, MalformedSalted, hidden_octets, hide, reveal

SECRET, AUTHENTICATOR, SALT = b"xyzzy5461", bytes(range(16)), b"\x80\x01"


@given(plain=st.binary(max_size=MAX_PLAIN_OCTETS), secret=st.binary(min_size=1, max_size=60))
def test_a_value_survives(plain, secret):
    hidden = hide(plain, secret, AUTHENTICATOR, SALT)
    assert SALT == hidden[:2]
    assert hidden_octets(plain) == len(hidden) <= 252
    assert plain == reveal(hidden, secret, AUTHENTICATOR)


def test_the_first_block_is_that_of_rfc_2868_section_3_5():
    from hashlib import md5

    mask = md5(SECRET + AUTHENTICATOR + SALT).digest()
    expected = bytes(a ^ b for a, b in zip(b"\x05hello".ljust(16, b"\0"), mask, strict=True))
    assert SALT + expected == hide(b"hello", SECRET, AUTHENTICATOR, SALT)


@pytest.mark.parametrize("value", [b"", SALT, SALT + bytes(15), SALT + bytes(17), b"\x00\x01" + bytes(16)])
def test_a_value_of_another_format_is_malformed(value):
    with pytest.raises(MalformedSalted, match="not a salt"):
        reveal(value, SECRET, AUTHENTICATOR)


def test_a_length_beyond_the_value_is_malformed():
    hidden = hide(b"\xff" * 40, SECRET, AUTHENTICATOR, SALT)
    with pytest.raises(MalformedSalted, match="another secret"):
        reveal(hidden[:18], SECRET, AUTHENTICATOR)


def test_a_value_that_is_too_long_does_not_fit():
    with pytest.raises(ValueError, match="240 octets do not fit"):
        hide(bytes(MAX_PLAIN_OCTETS + 1), SECRET, AUTHENTICATOR, SALT)


@given(value=st.binary(max_size=253))
def test_any_octets_are_decrypted_or_malformed(value):
    with suppress(MalformedSalted):
        assert len(reveal(value, SECRET, AUTHENTICATOR)) < len(value)
