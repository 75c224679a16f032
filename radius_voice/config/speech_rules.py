"""Rules about the speech of calls: known languages, and a message that fits into a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from radius_voice.config.schema import UserRulesSettings
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.config.suggestions import suggestion
from radius_voice.login.deliveries.code_message import MAX_MESSAGE_SECONDS, speech_seconds
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.texts.speech import MAX_DIGITS_SPOKEN, Speech, Speed
from radius_voice.messages import Catalog, normal_tag

POLICY_DEPTH = 2
"""Steps of the path of a policy."""


def errors(user_rules: Iterable[tuple[KeyPath, UserRulesSettings]], catalog: Catalog) -> Iterator[Diagnostic]:
    """Errors of `speech` in rules, by their paths. `catalog` has the texts that calls speak."""
    checked = set()
    for path, rules in user_rules:
        # The rules of a group have the speech of their policy, whose errors need no second report.
        values = (path[:POLICY_DEPTH], rules.challenge.digits, rules.speech.model_dump_json())
        if values in checked:
            continue
        checked.add(values)
        yield from _voices(rules, (*path, "speech", "voices"), catalog)
        yield from _length(rules, (*path, "speech"), catalog)


def _voices(rules: UserRulesSettings, path: KeyPath, catalog: Catalog) -> Iterator[Diagnostic]:
    tags: set[str] = set()
    for language in rules.speech.voices:
        tag = normal_tag(language) or ""
        if catalog.find(language) is None:
            known = f"{', '.join(catalog.languages)}{suggestion(language, catalog.languages)}"
            yield (*path, language), f"is not a known language; known are {known}"
        elif tag in tags:
            yield (*path, language), f"is the same language as {tag}; write each language once"
        tags.add(tag)


def _length(rules: UserRulesSettings, path: KeyPath, catalog: Catalog) -> Iterator[Diagnostic]:
    digits, repetitions = rules.challenge.digits, rules.speech.repetitions
    spoken = digits * repetitions
    if spoken > MAX_DIGITS_SPOKEN:
        fix = f"write repetitions: {MAX_DIGITS_SPOKEN // digits}, or fewer digits"
        yield path, f"{repetitions} repetitions of {digits} digits are {spoken}; at most {MAX_DIGITS_SPOKEN} fit; {fix}"
        return
    speech = Speech(speed=Speed(rules.speech.speed), repetitions=repetitions)
    seconds, language = max(
        (speech_seconds(CodeMessage(tag, "", "0" * digits, enrolment, catalog, speech)), tag)
        for tag in catalog.languages
        for enrolment in (False, True)
    )
    if seconds > MAX_MESSAGE_SECONDS:
        message = f"a call in {language} would take about {seconds:.0f} s, more than {MAX_MESSAGE_SECONDS} s"
        yield path, f"{message}; use fewer repetitions, a higher speed, fewer digits or shorter texts"
