"""What outcomes and reasons in the audit log mean.

The meanings of reasons are those of docs/observing.md, which is installed with the program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from radius_voice.events import Outcome
from radius_voice.resources import shipped

RESPONSES = {
    Outcome.ACCEPT: "Access-Accept",
    Outcome.CHALLENGE: "Access-Challenge",
    Outcome.REJECT: "Access-Reject",
    Outcome.NO_RESPONSE: "no response",
}
OUTCOMES = r"accepted|challenged|any outcome|no response|`on_unavailable`"
ROW = re.compile(rf"^\| `(\w+)` \| (?:(?:{OUTCOMES}): )?(.+) \|$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def meaning(reason: str) -> str:
    """The meaning of a reason in plain words; empty for one that this version does not know."""
    return _meanings().get(reason, "")


@cache
def _meanings() -> Mapping[str, str]:
    page = (shipped("docs") / "observing.md").read_text(encoding="utf-8")
    section = page.partition("\n### Reasons\n")[2].partition("\n### ")[0]
    return {reason: LINK.sub(r"\1", text).replace("`", "") for reason, text in ROW.findall(section)}
