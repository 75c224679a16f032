import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.login.codes.keys import Keys
from radius_voice.login.names import canonical_name, counted_name

DOTLESS_I = "\u0131"  # its capital letter is I, whose small letter is i: no folding makes these three one
LONG = "RADIUS_VOICE_LONG" in os.environ


def characters():
    """All that may be in a name; without RADIUS_VOICE_LONG not the million that have one spelling without a meaning."""
    left_out = {"Cs"} if LONG else {"Cs", "Cn", "Co"}  # surrogates, unassigned, private use
    return [character for character in map(chr, range(0x110000)) if unicodedata.category(character) not in left_out]


@pytest.mark.no_cover  # measuring would take most of the time, and other tests reach the same lines
def test_every_spelling_of_every_character_has_one_canonical_form():
    for character in characters():
        if character == DOTLESS_I:
            continue
        canonical = canonical_name(character)
        assert canonical == canonical_name(canonical)
        composed = (unicodedata.normalize(form, character) for form in ("NFC", "NFD"))
        for spelling in (*composed, character.upper(), character.lower(), character.casefold(), f" {character}\t"):
            assert canonical == canonical_name(spelling), hex(ord(character))


@given(st.text(st.characters(codec="utf-8")))
def test_a_name_and_its_decomposed_and_case_folded_forms_are_equal(name):
    canonical = canonical_name(name)
    assert canonical == canonical_name(canonical)
    assert canonical == canonical_name(unicodedata.normalize("NFD", name))
    assert canonical == canonical_name(unicodedata.normalize("NFC", name))


def test_two_spellings_of_one_name_share_one_allowance():
    keys = Keys(b"k" * 32)
    one, other = "šimon.kašpar", unicodedata.normalize("NFD", "ŠIMON.KAŠPAR ")
    assert one != other
    assert keys.name_subject("people", one) == keys.name_subject("people", other)


SPELLINGS = [
    "jos\u00e9",
    "jose\u0301",
    "JOSE",
    "\uff4a\uff4f\uff53\uff45",
    "j\uff4fse",
    "jo\u00adse",
    "j\u200bo\u2060se",
    " j ose",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_that_a_directory_may_take_for_one_share_one_allowance(spelling):
    keys = Keys(b"k" * 32)
    assert keys.name_subject("nps", "jose") == keys.name_subject("nps", spelling)
    assert keys.name_subject("nps", "josef") != keys.name_subject("nps", spelling)


@pytest.mark.no_cover  # measuring would take most of the time, and other tests reach the same lines
def test_every_spelling_of_every_character_is_counted_as_one():
    for character in characters():
        counted = counted_name(character)
        assert counted == counted_name(canonical_name(character)) == counted_name(counted), hex(ord(character))


def test_accepted_names_are_kept_by_client_and_canonical_name():
    keys = Keys(b"k" * 32)
    assert keys.accepted_name("vpn", "alice") == keys.accepted_name("vpn", " ALICE")
    kept = [("vpn", "alice"), ("vpn", "jose"), ("vpn", "josé"), ("another", "alice")]
    assert 4 == len({keys.accepted_name(client, name) for client, name in kept})
