"""Values that are encrypted for one response."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radius_voice.radius.encrypted import (
    ASCEND_SECRET,
    PASSWORD,
    SALTED,
    EncryptedAttribute,
    encrypt,
    max_plain_octets,
)
from radius_voice.radius.password import decrypt_password
from radius_voice.radius.salted import reveal

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
SECRET, AUTHENTICATOR, SALT = b"a shared secret of the tests", bytes(range(16)), b"\x80\x01"


@UNTIMED
@given(st.binary(min_size=1, max_size=239).filter(lambda plain: not plain.endswith(b"\0")), st.integers(0, 8))
def test_a_value_is_as_long_as_was_computed_and_is_decrypted(plain, prefix):
    for encryption in (PASSWORD, SALTED, ASCEND_SECRET):
        if len(plain) > max_plain_octets(prefix, encryption):
            continue
        octets = encrypt(plain, encryption, SECRET, AUTHENTICATOR, SALT)
        length = EncryptedAttribute(69, bytes(prefix), plain, encryption).value_octets
        assert prefix + len(octets) == length <= 253
        if encryption == PASSWORD:
            assert plain == decrypt_password(octets, SECRET, AUTHENTICATOR)
        elif encryption == SALTED:
            assert plain == reveal(octets, SECRET, AUTHENTICATOR)
        else:  # it is a mask: the same operation gives the value again
            assert plain.ljust(16, b"\0") == encrypt(octets, ASCEND_SECRET, SECRET, AUTHENTICATOR, SALT)


@pytest.mark.parametrize(
    ("prefix", "encryption", "most"),
    [(0, SALTED, 239), (1, SALTED, 239), (20, SALTED, 223), (0, PASSWORD, 128), (140, PASSWORD, 112), (0, 3, 16)],
)
def test_the_longest_value(prefix, encryption, most):
    assert most == max_plain_octets(prefix, encryption)
