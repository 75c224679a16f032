"""Every page about a gateway has the same sections, its profile, and its sources."""

import re
from typing import get_args

import pytest
import yaml

from radius_voice.config.profiles import ProfileName
from tests.config.conftest import File, sample
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


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_PROFILE])
def test_the_client_of_a_page_has_the_profile_of_its_name(name):
    (shown,) = blocks(f"docs/gateways/{name}.md", "yaml")
    assert [name] == [client["profile"] for client in yaml.safe_load(shown)["clients"].values()]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_PROFILE])
def test_the_timers_of_a_page_fit_together(tmp_path, name):
    (shown,) = blocks(f"docs/gateways/{name}.md", "yaml")
    rest = {key: value for key, value in sample().items() if not re.search(f"^{key}:", shown, re.MULTILINE)}
    text = re.sub(r"\{file: [\w.-]+\}", "a secret of more than thirty-two octets", shown) + yaml.safe_dump(rest)
    assert [] == [warning for warning in File(tmp_path).load(text).warnings if "the gateway" in warning]


def test_every_profile_has_a_page_and_every_page_is_listed():
    assert sorted({*get_args(ProfileName), *WITHOUT_PROFILE}) == NAMES
    assert NAMES == sorted(re.findall(r"^\|.*\]\(([\w-]+)\.md\)", text("docs/gateways/README.md"), re.MULTILINE))
