"""Warnings about the length of text messages, which providers charge for by the segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from radius_voice.config.schema import UserRulesSettings
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.login.deliveries.code_message import text_of
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.model import Method
from radius_voice.login.texts.segments import is_gsm, segments
from radius_voice.messages import Catalog


def warnings(
    friendly_name: str, user_rules: Iterable[tuple[KeyPath, UserRulesSettings]], catalog: Catalog
) -> Iterator[Diagnostic]:
    """Friendly names with which the text message of a login has several segments in a language of `catalog`.

    `user_rules` are the rules of all policies, by path. `friendly_name` applies to rules without one of their own.
    """
    digits: dict[str, int] = {}
    paths: dict[str, KeyPath] = {}
    for path, rules in user_rules:
        if Method.SMS in rules.methods:
            name = rules.friendly_name or friendly_name
            digits[name] = max(rules.challenge.digits, digits.get(name, 0))
            paths.setdefault(name, (*path, "friendly_name") if rules.friendly_name else ("delivery", "friendly_name"))
    for name, path in paths.items():
        yield from _several_segments(name, digits[name], path, catalog)


def _several_segments(name: str, digits: int, path: KeyPath, catalog: Catalog) -> Iterator[Diagnostic]:
    messages = {language: CodeMessage(language, name, "0" * digits, catalog=catalog) for language in catalog.languages}
    counts = {language: segments(text_of(message)) for language, message in messages.items()}
    several = [f"{count} in {language}" for language, count in counts.items() if count > 1]
    if several:
        others = "".join(dict.fromkeys(each for each in name if not is_gsm(each)))
        fix = f"write it without {others}, which GSM 7-bit does not have" if others else "write a shorter name"
        message = f"makes the text message of a login longer than one segment, which costs more ({', '.join(several)})"
        yield path, f"{message}; {fix}"
