"""The tests named in docs/security.md exist, and every attacker's section names a test or states that it has no defence."""

import re

import pytest

from tests.docs.pages import ROOT, text

SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", text("docs/security.md"), re.MULTILINE))
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_attacker_has_a_section():
    assert 12 < len(SECTIONS)


@pytest.mark.parametrize("attacker", SECTIONS)
def test_every_section_says_what_the_attacker_can_do_and_names_its_tests(attacker):
    section = SECTIONS[attacker]

    assert "- **Can" in section
    if "**No defence.**" in section:
        assert [] == NAMED.findall(section)
        return
    assert "- **Cannot**" in section
    assert NAMED.findall(section.split("- **Tests:**")[1])


def test_every_test_that_is_named_exists():
    for path, test in NAMED.findall(text("docs/security.md")):
        code = (ROOT / path).read_text(encoding="utf-8")
        assert not test or re.search(rf"^(async def|def|class) {test}\b|^{test} =", code, re.MULTILINE), test
