"""docs/wording.md lists every text, and its examples can be loaded."""

import re

import msgspec
import pytest

from radius_voice.config.messages_file import SECTIONS, messages_of
from radius_voice.messages import SHIPPED
from radius_voice.messages.placeholders import LONGEST
from tests.docs.pages import blocks, text

PAGE = "docs/wording.md"
FILES = [block for block in blocks(PAGE, "yaml") if not block.startswith(("policies:", "delivery:"))]


def test_every_key_is_listed_with_its_english_text():
    listed = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.+) \|$", text(PAGE), re.MULTILINE))
    english = {
        f"{section}.{key}": value
        for section in SECTIONS
        for key, value in msgspec.structs.asdict(getattr(SHIPPED.default, section)).items()
    }
    assert english == {key: value for key, value in listed.items() if key.partition(".")[0] in SECTIONS}


def test_the_page_shows_a_file_with_texts():
    assert 1 == len(FILES)


@pytest.mark.parametrize("shown", FILES)
def test_a_file_that_is_shown_has_no_error(shown):
    assert [] == messages_of(shown, "messages.yaml")[1]


def test_every_placeholder_is_explained():
    assert [] == [name for name in LONGEST if f"`{{{name}}}`" not in text(PAGE)]
