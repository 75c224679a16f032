"""Words for outcomes, in the log and in lines of the audit log."""

from __future__ import annotations

from collections.abc import Mapping

from radius_voice.events import Outcome

OUTCOME_TEXTS: Mapping[str, str] = {
    Outcome.ACCEPT: "accepted",
    Outcome.CHALLENGE: "challenged",
    Outcome.REJECT: "rejected",
    Outcome.NO_RESPONSE: "no response",
}
