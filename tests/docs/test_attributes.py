"""docs/attributes.md: its types, limits and names. tests/peers compares its examples with FreeRADIUS."""

import re

import pytest
import yaml

from radius_voice.config.attributes import MAX_REPLY_RULE_OCTETS
from radius_voice.radius.dictionary import REFUSED, SHIPPED, AttributeDictionary
from radius_voice.radius.dictionary_file import CONTAINERS, KINDS, read_dictionary
from radius_voice.radius.encrypted import max_plain_octets
from radius_voice.resources import shipped
from tests.docs.pages import text

PAGE = text("docs/attributes.md")
NAMES = AttributeDictionary(shipped("dictionaries"))
TYPES = re.findall(r"^\| (`.+?) \| (?!encryption).+ \| `(.+: .+)` \|$", PAGE, re.MULTILINE)


def test_the_page_has_every_type():
    named = {kind for kinds, _ in TYPES for kind in re.findall(r"`([\w-]+)`", kinds)}
    assert named == KINDS - CONTAINERS


@pytest.mark.parametrize(("kinds", "example"), TYPES)
def test_the_example_of_each_type_is_valid_and_of_that_type(kinds, example):
    ((name, value),) = yaml.safe_load(example).items()
    assert NAMES.encode(name, value)
    assert f"`{read_dictionary(shipped('dictionaries') / 'dictionary').by_name[name].kind}`" in kinds


def test_the_limits_are_those_of_the_code():
    assert f"at most {MAX_REPLY_RULE_OCTETS} octets" in PAGE
    for encryption in (1, 2, 3):
        most = max_plain_octets(1, encryption)
        assert re.search(rf"^\| `encrypt={encryption}` \| .* \| {most} octets \|$", PAGE, re.MULTILINE)


def test_the_page_names_what_cannot_be_set():
    limits = PAGE.partition("cannot be set")[0].rpartition("\n- ")[2]
    for name in REFUSED:
        assert ("MS-MPPE" if name.startswith("MS-MPPE") else name) in limits


def test_the_page_names_every_vendor():
    for vendor in SHIPPED.partition("and of ")[2].replace(" and ", ", ").split(", "):
        assert vendor in PAGE
