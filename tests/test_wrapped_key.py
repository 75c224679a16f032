import pytest

from radius_voice.state.wrapped_key import FORMAT, is_wrapped_for, unwrap, wrap

DATA_KEY = b"d" * 32
NEW, OLD, OTHER = b"n" * 32, b"o" * 32, b"x" * 32


def test_each_of_the_keys_reads_the_data_key_and_no_other_does():
    wrapped = wrap(DATA_KEY, [NEW, OLD])
    assert [DATA_KEY, DATA_KEY, DATA_KEY, None] == [
        unwrap(wrapped, keys) for keys in ([NEW], [OLD], [OTHER, OLD], [OTHER])
    ]
    assert DATA_KEY not in wrapped


def test_it_is_wrapped_for_exactly_the_keys_it_was_wrapped_with():
    wrapped = wrap(DATA_KEY, [NEW, OLD])
    assert [True, True, False, False] == [
        is_wrapped_for(wrapped, keys) for keys in ([NEW, OLD], [OLD, NEW], [NEW], [NEW, OTHER])
    ]


@pytest.mark.parametrize("wrapped", [b"", FORMAT, FORMAT + b"\xc1", FORMAT + b"\x93\x01\x02\x03", b"\x02" + b"x" * 90])
def test_of_another_value_nothing_is_read(wrapped):
    assert unwrap(wrapped, [NEW]) is None
    assert not is_wrapped_for(wrapped, [NEW])


def test_a_changed_copy_is_not_read():
    wrapped = bytearray(wrap(DATA_KEY, [NEW]))
    wrapped[-1] ^= 1
    assert unwrap(bytes(wrapped), [NEW]) is None
