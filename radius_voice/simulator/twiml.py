"""Runs TwiML: returns the speech that the called user would hear.

Supported are Say, Pause, Hangup and Gather (no key is pressed, so its content is spoken and the script goes on). Any
other verb is refused and not skipped, because a test double should be stricter than the original.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

MAX_LENGTH = 4000
MAX_LOOPS = 1000
SENTENCE_PAUSE = 2
"""A pause of at least this many seconds ends a sentence."""

SINGLE_DIGITS = re.compile(r"(?<!\w)\d(?:,? \d){3,}(?!\w)")

ATTRIBUTES = {
    "Say": {"voice", "language", "loop"},
    "Pause": {"length"},
    "Hangup": set[str](),
    "Gather": {"numDigits", "action", "method", "timeout", "input", "finishOnKey", "actionOnEmptyResult"},
}


class BadTwiml(ValueError):
    """TwiML that cannot be run. The message names the mistake."""


def spoken_text(twiml: str) -> str:
    """The speech in one string; a pause of `SENTENCE_PAUSE` ends a sentence. Raises BadTwiml."""
    speech = ""
    for spoken in _run(_parsed(twiml)):
        if isinstance(spoken, str):
            speech = f"{speech} {spoken}".lstrip()
        elif spoken >= SENTENCE_PAUSE and speech[-1:].isalnum():
            speech += "."
    return speech


def code_in(speech: str) -> str:
    """The first run of at least four single digits, without separators; empty if there is none."""
    run = SINGLE_DIGITS.search(speech)
    return re.sub(r"\D", "", run[0]) if run else ""


def _parsed(twiml: str) -> ET.Element:
    if "<!" in twiml:
        raise BadTwiml("markup declarations are not allowed")
    try:
        root = ET.fromstring(twiml)  # noqa: S314  # entities need a declaration, which was refused above
    except ET.ParseError:
        raise BadTwiml("not well-formed XML") from None
    if root.tag != "Response" or root.attrib:
        raise BadTwiml("the root is not a plain <Response>")
    if (root.text or "").strip():
        raise BadTwiml("text outside of a verb")
    return root


def _run(parent: ET.Element) -> Iterator[str | int]:
    """Yields speech as text and pauses as seconds."""
    for verb in parent:
        allowed = ATTRIBUTES.get(verb.tag)
        if allowed is None or not allowed.issuperset(verb.attrib) or (verb.tail or "").strip():
            raise BadTwiml("a verb, attribute or text that is not known here")
        if verb.tag == "Hangup":
            return
        if verb.tag == "Say":
            text = " ".join("".join(verb.itertext()).split())
            if not text or len(verb):
                raise BadTwiml("<Say> takes plain text")
            # to Twilio, loop=0 means without end
            yield " ".join([text] * (_number(verb, "loop", 1) or MAX_LOOPS))
        elif verb.tag == "Pause":
            yield _number(verb, "length", 1)
        else:
            yield from _run(verb)


def _number(verb: ET.Element, attribute: str, default: int) -> int:
    text_value = verb.get(attribute, str(default))
    if not text_value.isdecimal() or int(text_value) > MAX_LOOPS:
        raise BadTwiml(f"{attribute} is not a whole number up to {MAX_LOOPS}")
    return int(text_value)
