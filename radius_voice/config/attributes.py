"""RADIUS attributes that the configuration names, checked against the attribute dictionary."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from radius_voice.config.reply_settings import ReplyRuleSettings
from radius_voice.config.secrets import readable_text
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.exceptions import message_of
from radius_voice.radius.dictionary_file import DictionaryError
from radius_voice.radius.packet import RESERVED_REPLY_OCTETS
from radius_voice.resources import shipped

if TYPE_CHECKING:
    from radius_voice.radius.dictionary import AttributeDictionary, EncodedAttribute

MAX_REPLY_RULE_OCTETS = RESERVED_REPLY_OCTETS - 64
"""Maximum octets of the attributes of one policy's reply rules; the rest is for the server's own attributes."""


def attribute_dictionary() -> AttributeDictionary:
    """The attribute dictionary, read at the first use and again after a change of its files. Raises DictionaryError."""
    folder = shipped("dictionaries")
    try:
        versions = tuple(sorted((entry.name, _changed(entry)) for entry in os.scandir(folder)))
    except OSError as problem:
        raise DictionaryError(message_of(problem)) from None
    return _read(folder, versions)


def _changed(entry: os.DirEntry[str]) -> int:
    """When a file was changed, in nanoseconds; 0 if that cannot be read. Reading the dictionary reports the error."""
    try:
        return entry.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _read(folder: Path, _versions: tuple[tuple[str, int], ...]) -> AttributeDictionary:
    from radius_voice.radius.dictionary import AttributeDictionary  # noqa: PLC0415 - needed by few configurations

    return AttributeDictionary(folder)


def attribute_problem(name: str, *, salted: bool = False) -> str | None:
    """Why that attribute cannot be copied to another packet; see `AttributeDictionary.key`."""
    try:
        attribute_dictionary().key(name, salted=salted)
    except ValueError as problem:
        return str(problem).removeprefix(f"{name}: ")
    return None


def encoded_reply(rule: ReplyRuleSettings, dictionary: AttributeDictionary) -> list[EncodedAttribute]:
    """The attributes of a reply rule, without those whose values only the service can read. Raises ValueError."""
    return dictionary.encode_all(_texts(rule))


def holds_encrypted_value(rules: Iterable[ReplyRuleSettings]) -> bool:
    """Whether the value of an attribute that the gateway gets encrypted is written in the file itself."""
    names = {
        name.partition(":")[0] for rule in rules for name, values in rule.set.items() if any(map(_is_text, values))
    }
    try:
        return bool(names) and any(map(attribute_dictionary().is_encrypted, names))
    except ValueError:
        return False


def reply_errors(rules: Iterable[ReplyRuleSettings], path: KeyPath) -> Iterator[Diagnostic]:
    """Errors of the reply rules at `path`: unknown attributes, invalid values, and attributes that do not fit."""
    try:
        dictionary = attribute_dictionary()
    except ValueError as problem:
        yield path, str(problem)
        return
    octets = 0
    for index, rule in enumerate(rules):
        where = (*path, index, "set")
        problems = list(_value_errors(rule, where, dictionary))
        yield from problems
        if problems:
            continue
        try:
            octets += sum(map(_octets, encoded_reply(rule, dictionary)))
        except ValueError as problem:
            yield where, str(problem)
    if octets > MAX_REPLY_RULE_OCTETS:
        yield path, f"has {octets} octets of attributes; at most {MAX_REPLY_RULE_OCTETS} fit; remove some"


def _value_errors(rule: ReplyRuleSettings, path: KeyPath, dictionary: AttributeDictionary) -> Iterator[Diagnostic]:
    for name, text in _texts(rule):
        try:
            dictionary.encode(name, text)
        except ValueError as problem:
            yield (*path, name), str(problem).removeprefix(f"{name}: ")


def _texts(rule: ReplyRuleSettings) -> Iterator[tuple[str, str]]:
    """The names and values of a rule that this process can read."""
    for name, values in rule.set.items():
        for value in values:
            text = readable_text(value) if isinstance(value, SecretStr) else str(value)
            if text is not None:
                yield name, text


def _is_text(value: str | int | SecretStr) -> bool:
    return not isinstance(value, SecretStr)


def _octets(attribute: EncodedAttribute) -> int:
    """The length of an attribute in a packet."""
    return 2 + (len(attribute[1]) if isinstance(attribute, tuple) else attribute.value_octets)
