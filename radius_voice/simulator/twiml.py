"""Reads TwiML: the speech that the called user would hear, and where it waits for keys.

Supported are Say, Pause, Hangup and Gather. Any other verb is refused and not skipped, because a test double should be
stricter than the original.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree import ElementTree as ET

MAX_LENGTH = 4000
MAX_LOOPS = 1000
SENTENCE_PAUSE = 2
"""A pause of at least this many seconds ends a sentence."""

SINGLE_DIGITS = re.compile(r"(?<!\w)\d(?:[,.]? \d){3,}(?!\w)")

ATTRIBUTES = {
    "Say": {"voice", "language", "loop"},
    "Pause": {"length"},
    "Hangup": set[str](),
    "Gather": {"numDigits", "action", "method", "timeout", "input", "finishOnKey", "actionOnEmptyResult"},
}


class BadTwiml(ValueError):
    """TwiML that cannot be run. The message names the mistake."""


@dataclass(frozen=True, slots=True)
class Gather:
    """Waits for keys while the steps `prompt` are spoken, and `timeout` seconds longer.

    `action` is the URL that gets the keys; if it is empty, the script goes on whatever is pressed.
    """

    prompt: tuple[Step, ...]
    action: str
    timeout: int


@dataclass(frozen=True, slots=True)
class Hangup:
    """Ends the call."""


Step: TypeAlias = str | int | Gather | Hangup
"""Speech as text, a pause in seconds, or one of the above."""


def steps_of(twiml: str) -> tuple[Step, ...]:
    """The steps of a script. Raises BadTwiml."""
    return tuple(_steps(_parsed(twiml)))


def spoken_text(twiml: str) -> str:
    """The speech in one string; a pause of `SENTENCE_PAUSE` ends a sentence. Raises BadTwiml."""
    return speech_of(steps_of(twiml))


def speech_of(steps: Iterable[Step]) -> str:
    """The speech of steps, if no key is pressed."""
    speech = ""
    for spoken in _spoken(steps):
        if isinstance(spoken, str):
            speech = f"{speech} {spoken}".lstrip()
        elif spoken >= SENTENCE_PAUSE and speech[-1:].isalnum():
            speech += "."
    return speech


def _spoken(steps: Iterable[Step]) -> Iterator[str | int]:
    """Speech and pauses until the call is hung up."""
    for step in steps:
        match step:
            case Hangup():
                return
            case Gather(prompt):
                yield from _spoken(prompt)
            case _:
                yield step


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


def _steps(parent: ET.Element) -> Iterator[Step]:
    for verb in parent:
        allowed = ATTRIBUTES.get(verb.tag)
        if allowed is None or not allowed.issuperset(verb.attrib) or (verb.tail or "").strip():
            raise BadTwiml("a verb, attribute or text that is not known here")
        match verb.tag:
            case "Hangup":
                yield Hangup()
            case "Say":
                yield _speech(verb)
            case "Pause":
                yield _number(verb, "length", 1)
            case _:
                yield Gather(tuple(_steps(verb)), verb.get("action", ""), _number(verb, "timeout", 5))


def _speech(verb: ET.Element) -> str:
    text = " ".join("".join(verb.itertext()).split())
    if not text or len(verb):
        raise BadTwiml("<Say> takes plain text")
    # to Twilio, loop=0 means without end
    return " ".join([text] * (_number(verb, "loop", 1) or MAX_LOOPS))


def _number(verb: ET.Element, attribute: str, default: int) -> int:
    text_value = verb.get(attribute, str(default))
    if not text_value.isdecimal() or int(text_value) > MAX_LOOPS:
        raise BadTwiml(f"{attribute} is not a whole number up to {MAX_LOOPS}")
    return int(text_value)
