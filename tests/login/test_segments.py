import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.login.texts.segments import GSM_BASIC, GSM_EXTENSION, segments

BASIC, EXTENSION = sorted(GSM_BASIC), sorted(GSM_EXTENSION)
GSM = st.text(st.sampled_from(BASIC + EXTENSION), max_size=700)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("ä" * 160, 1),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("x" * 159 + "€", 2),
        ("x" * 152 + "€" + "x" * 152, 3),  # the escape and its character stay in one segment
        ("ê" * 70, 1),
        ("ê" * 71, 2),
        ("ê" * 134, 2),
        ("ê" * 135, 3),
        ("コ" * 70, 1),
        ("x" * 70 + "\u2019", 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("x" * 66 + "😀" + "x" * 66, 3),  # 133 units, but no surrogate pair is split
    ],
)
def test_the_length_of_a_message_determines_its_segments(text, expected):
    assert expected == segments(text)


def test_the_alphabet_has_every_septet_but_the_escape():
    assert (127, 10) == (len(GSM_BASIC), len(GSM_EXTENSION))
    assert not GSM_BASIC & GSM_EXTENSION


@pytest.mark.parametrize("character", "çêãõáíóúâô`\u2013\u2019\u201c…\t\x1b\xa0")
def test_a_character_outside_of_the_alphabet_makes_the_whole_message_ucs2(character):
    assert 3 == segments("x" * 159 + character)


@given(GSM)
def test_a_gsm_message_has_as_few_segments_as_its_septets_allow_or_one_more_per_split(text):
    septets = sum(2 if each in GSM_EXTENSION else 1 for each in text)
    least = 1 if septets <= 160 else -(-septets // 153)
    most = 1 if septets <= 160 else -(-septets // 152)
    assert least <= segments(text) <= most


@given(st.text(max_size=300), st.text(max_size=10))
def test_a_longer_message_never_has_fewer_segments(text, more):
    assert segments(text) <= segments(text + more)
