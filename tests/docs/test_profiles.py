"""The documentation lists the values of every profile, as the program has them."""

import re

from radius_voice.config.profiles import PROFILES
from tests.docs.pages import text


def test_every_profile_is_listed_with_its_values():
    section = text("docs/settings.md").split("\n### Profiles\n")[1].split("\n### ")[0]
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", section, re.MULTILINE))
    listed = {name: dict(re.findall(r"`(\w+): ([^`]+)`", values)) for name, values in rows.items()}
    assert {
        name: {key: written(value) for key, value in each.keys.items()} for name, each in PROFILES.items()
    } == listed


def test_the_sample_configuration_names_every_profile():
    comment = text("config/radius-voice.yaml").split("# The kind of gateway")[1].split("# profile:")[0]
    assert [*PROFILES] == re.findall("|".join(PROFILES), comment)


def written(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
