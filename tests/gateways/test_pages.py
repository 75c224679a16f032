"""Every page about a gateway has the same sections, and its sources."""

import re
from typing import get_args

import pytest

from radius_voice.config.profiles import ProfileName
from tests.docs.pages import blocks, pages, text

SECTIONS = [
    "The gateway",
    "radius-voice",
    "Timers",
    "What the user sees",
    "Test",
    "If radius-voice does not respond",
    "Limits",
    "Sources",
]
NAMES = sorted(re.findall(r"docs/gateways/([\w-]+)\.md", " ".join(page for page in pages() if page.islower())))
WITHOUT_PROFILE = {"freeradius-proxy"}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_sections_of_all_pages(name):
    assert SECTIONS == re.findall(r"^## (.+)$", text(f"docs/gateways/{name}.md"), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_its_sources_and_tests_with_radclient(name):
    page = text(f"docs/gateways/{name}.md")
    assert "https://" in page.split("\n## Sources\n")[1]
    assert "radclient" in "".join(blocks(f"docs/gateways/{name}.md", "console"))


def test_every_profile_has_a_page_and_every_page_is_listed():
    assert sorted({*get_args(ProfileName), *WITHOUT_PROFILE}) == NAMES
    assert NAMES == sorted(re.findall(r"^\|.*\]\(([\w-]+)\.md\)", text("docs/gateways/README.md"), re.MULTILINE))
