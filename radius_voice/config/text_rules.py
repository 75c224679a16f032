"""Warnings about the length of text messages, which providers charge for by the segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from radius_voice.config.schema import UserRulesSettings
from radius_voice.config.section import Diagnostic
from radius_voice.login.code_message import text_of
from radius_voice.login.deliveries import CodeMessage
from radius_voice.login.model import Method
from radius_voice.login.segments import is_gsm, segments
from radius_voice.messages import LANGUAGES


def warnings(friendly_name: str, all_rules: Iterable[UserRulesSettings]) -> Iterator[Diagnostic]:
    """Languages in which the text message of a login has several segments, if any rules allow text messages."""
    digits = [rules.challenge.digits for rules in all_rules if Method.SMS in rules.methods]
    if not digits:
        return
    code = "0" * max(digits)
    counts = {language: segments(text_of(CodeMessage(language, friendly_name, code))) for language in LANGUAGES}
    several = [f"{count} in {language}" for language, count in counts.items() if count > 1]
    if several:
        others = "".join(dict.fromkeys(each for each in friendly_name if not is_gsm(each)))
        fix = f"write it without {others}, which GSM 7-bit does not have" if others else "write a shorter name"
        message = f"makes the text message of a login longer than one segment, which costs more ({', '.join(several)})"
        yield ("delivery", "friendly_name"), f"{message}; {fix}"
