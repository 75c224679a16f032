"""The meanings of outcomes and reasons in the audit log.

The meanings of reasons are read from docs/observing.md, which is installed with the program.
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
SHORT = 70
ROW = re.compile(rf"^\| `(\w+)` \| (?:(?:{OUTCOMES}): )?(.+) \|$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def meaning(reason: str, *, is_discard: bool = False) -> str:
    """The meaning of a reason in plain words; empty for one that this version does not know.

    `is_discard` is whether it is the reason of a discarded packet.
    """
    return _meanings("Discards" if is_discard else "Reasons").get(reason, "")


def short(text: str) -> str:
    """The first part of a meaning, for a line."""
    first = re.split(r"[:;(]", text)[0].strip()
    return first if len(first) <= SHORT else first.partition(",")[0]


@cache
def _meanings(section: str) -> Mapping[str, str]:
    page = (shipped("docs") / "observing.md").read_text(encoding="utf-8")
    rows = page.partition(f"\n### {section}\n")[2].partition("\n##")[0]
    texts = {name: text.partition(" | ")[0] for name, text in ROW.findall(rows)}
    return {name: LINK.sub(r"\1", text).replace("`", "") for name, text in texts.items()}
