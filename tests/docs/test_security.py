"""The tests named in docs/security.md exist, and every threat names a test or states that it has no defence."""

import re

from tests.docs.pages import ROOT, text

UNDEFENDED = "everything that a login decides"
ROWS = [line.strip("|").split("|") for line in text("docs/security.md").splitlines() if line.startswith("| ")][2:]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_threat_names_tests_that_exist():
    for attacker, can, _, shown in ROWS:
        named = NAMED.findall(shown)
        assert bool(named) is not (UNDEFENDED in can), attacker
        for path, test in named:
            code = (ROOT / path).read_text(encoding="utf-8")
            assert not test or re.search(rf"^(async def|def|class|{test} =) ?{test}\b|^{test} =", code, re.MULTILINE), (
                test
            )
