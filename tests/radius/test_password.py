import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.radius.packet import decode
from radius_voice.radius.password import MalformedPassword, decode_text, decrypt_password, encrypt_password
from tests.radius.vectors import RFC_2865, SECRET


@pytest.mark.parametrize(
    ("section", "password"),
    [("7.1 request", b"arctangent"), ("7.3 request", b"challenge"), ("7.3 answer", b"99101462")],
)
def test_rfc_2865_section_5_2_user_password_vectors(section, password):
    packet = decode(RFC_2865[section])
    hidden = packet.first(2)
    assert hidden is not None
    assert password == decrypt_password(hidden, SECRET, packet.authenticator)
    assert hidden == encrypt_password(password, SECRET, packet.authenticator)


@given(
    st.binary(max_size=128).filter(lambda p: not p.endswith(b"\0")),
    st.binary(min_size=1),
    st.binary(min_size=16, max_size=16),
)
def test_hiding_and_revealing_are_inverse(password, secret, authenticator):
    hidden = encrypt_password(password, secret, authenticator)
    assert 0 == len(hidden) % 16
    assert password == decrypt_password(hidden, secret, authenticator)


@pytest.mark.parametrize("length", [0, 1, 15, 17, 129, 144])
def test_a_user_password_of_wrong_length_is_malformed(length):
    with pytest.raises(MalformedPassword):
        decrypt_password(bytes(length), SECRET, bytes(16))


def test_a_password_past_128_octets_does_not_fit():
    with pytest.raises(ValueError, match="128"):
        encrypt_password(bytes(129), SECRET, bytes(16))


def test_octets_are_read_as_utf_8_or_else_latin_1():
    assert "müller%" == decode_text("müller%".encode())
    assert "müller%" == decode_text("müller%".encode("latin-1"))
