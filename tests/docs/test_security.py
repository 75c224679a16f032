"""docs/security.md names tests: each of them exists, and every threat has one or says that nothing defends against it."""

import re

from tests.docs.pages import ROOT, text

UNDEFENDED = "everything that a login decides"
ROWS = [line.strip("|").split("|") for line in text("docs/security.md").splitlines() if line.startswith("| ")][2:]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_threat_is_shown_by_tests_that_exist():
    for attacker, can, _, shown in ROWS:
        named = NAMED.findall(shown)
        assert bool(named) is not (UNDEFENDED in can), attacker
        for path, test in named:
            code = (ROOT / path).read_text(encoding="utf-8")
            assert not test or re.search(rf"^(async def|def|class|{test} =) ?{test}\b|^{test} =", code, re.MULTILINE), (
                test
            )
