"""The text of a users file: strict parsing, and changes that leave the rest of the text as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from msgspec import structs

from radius_voice.config import strict_yaml
from radius_voice.config.suggestions import showable, suggestion, without_colon
from radius_voice.identity.language import checked_language
from radius_voice.identity.passwords import parameters_of
from radius_voice.login.model import StoredUser, User
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone, parse_phone
from radius_voice.messages import DEFAULT_LANGUAGE, Catalog, normal_tag

KEYS = ("password", "phones", "language", "groups", "disabled")
EXAMPLES = {"phones": '["+14155550123"]', "groups": "[staff]"}
NO_USERS = re.compile(r"^\{\s*\}[ \t]*(#.*)?$", re.MULTILINE)
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*")

T = TypeVar("T")


class UsersFileError(ValueError):
    """The errors of a users file, one in a line: `file:line: name.key: fix`. Never contains a hash or a phone."""


@dataclass(frozen=True, slots=True)
class UserEntry:
    """A user in a users file."""

    user: User
    password: str | None = field(repr=False)  # the encoded hash
    line: int = field(compare=False)  # of the hash, or of the user without a hash


def parse(text: str, file: str, messages: Catalog | None = None) -> dict[str, UserEntry]:
    """All users in `text` by canonical name; `file` is for errors. Raises UsersFileError with every error.

    A language must be one of `messages`. Without them, as for a command that has no configuration, it may be any tag.
    """
    if not text.strip():
        # An editor probably has not written it yet; a file without users has a comment or {}.
        raise UsersFileError(f"{file}:1: the file is empty; add a user with: radius-voice users add")
    try:
        root, lines = strict_yaml.load(text, file)
    except strict_yaml.StrictYamlError as problem:
        raise UsersFileError(str(problem)) from None
    if root is None:
        return {}
    if not isinstance(root, dict):
        raise UsersFileError(f"{file}:1: must map names to users, as in 'alice: {{phones: [\"+14155550123\"]}}'")
    reader = _Reader(lines, messages)
    users: dict[str, UserEntry] = {}
    hashes: dict[str, str] = {}
    for key, value in root.items():
        entry = reader.entry(key, value)
        folded = canonical_name(key)
        if folded in users:
            reader.refuse((key,), f"the same name as {users[folded].user.id!r}, names are compared without case")
        users.setdefault(folded, entry)
        if entry.password and hashes.setdefault(entry.password, key) != key:
            reader.refuse((key, "password"), f"the same hash as {hashes[entry.password]!r}; make another one")
    if reader.errors:
        raise UsersFileError("\n".join(f"{file}:{line}: {message}" for line, message in sorted(reader.errors)))
    return users


def with_users(text: str, file: str, added: Sequence[StoredUser]) -> str:
    """Append users to the text, which may be empty.

    Raises ValueError when a name is taken or the file cannot be appended to. Languages must be known.
    """
    text = text if text.strip() else ""
    users = parse(text, file) if text else {}
    if not users:
        text = NO_USERS.sub("", text).lstrip("\n")  # the text {} of a file without users
    entries = ["" if not text or text.endswith("\n") else "\n"]
    for stored in added:
        canonical = canonical_name(stored.user.name)
        if not canonical:
            raise ValueError("a name that has only spaces; give a name")
        if canonical in users:
            raise ValueError(
                f"{file}: {users[canonical].user.id!r} exists already; change it with: radius-voice users set-phone, "
                "or radius-voice users set-password, or choose another name"
            )
        user = structs.replace(stored.user, id=stored.user.name)  # its name identifies it
        users[canonical] = UserEntry(user, stored.password, 0)
        entries += [f"{line}\n" for line in _entry_lines(users[canonical])]
    return checked(text + "".join(entries), file, users)


def _entry_lines(entry: UserEntry) -> Iterator[str]:
    user = entry.user
    yield f"{_yaml_text(user.id)}:"
    if entry.password is not None:
        yield f"  password: {entry.password}"
    yield f"  phones: {json.dumps([phone.text for phone in user.phones])}"
    yield f"  language: {_yaml_text(user.language)}"
    yield f"  groups: [{', '.join(_yaml_text(group) for group in sorted(user.groups))}]"
    if user.disabled:
        yield "  disabled: true"


def with_hash(text: str, file: str, entry: UserEntry, password: str) -> str | None:
    """Replace the user's hash. Returns None if the hash was changed meanwhile."""
    users = parse(text, file)
    found = users.get(canonical_name(entry.user.id))
    if found is None or found.password is None or found.password != entry.password:
        return None
    start = sum(len(line) for line in text.splitlines(keepends=True)[: found.line - 1])
    changed = text[:start] + text[start:].replace(found.password, password, 1)
    return checked(changed, file, users | {canonical_name(entry.user.id): replace(found, password=password)})


def checked(text: str, file: str, expected: Mapping[str, UserEntry]) -> str:
    """Return a changed text. Raises ValueError if it would not be parsed as `expected`."""
    try:
        right = parse(text, file) == expected
    except UsersFileError:
        right = False
    if not right:
        raise ValueError(
            f"{file}: cannot be changed as it is laid out; edit it in an editor, or write it as in config/users.yaml"
        )
    return text


def _yaml_text(text: str) -> str:
    """Quote the text unless every YAML parser reads it as text; some read `no` and `on` as booleans."""
    harmless = PLAIN.fullmatch(text) and text.lower() not in {
        "true",
        "false",
        "null",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
    }
    return text if harmless else json.dumps(text, ensure_ascii=False)


class _Reader:
    """Turns parsed YAML into users, and collects the errors."""

    def __init__(self, lines: Mapping[strict_yaml.Path, int], messages: Catalog | None) -> None:
        self._lines = lines
        self._messages = messages
        self.errors: list[tuple[int, str]] = []

    def refuse(self, path: strict_yaml.Path, fix: str) -> None:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path[1:])
        self.errors.append((self._lines[path], f"{path[0]}{where}: {fix}"))

    def entry(self, key: str, value: strict_yaml.Value) -> UserEntry:
        if not canonical_name(key):
            self.refuse((key,), "a name that has only spaces; give a name")
        if not isinstance(value, dict):
            self.refuse((key,), f"must be a mapping with some of: {', '.join(KEYS)}")
            value = {}
        for unknown in value.keys() - set(KEYS):
            self._refuse_unknown(key, unknown, value[unknown])
        user = User(
            id=key,
            name=key,
            phones=tuple(self._list((key, "phones"), value, self._phone)),
            language=self._language((key, "language"), value),
            groups=frozenset(self._list((key, "groups"), value, self._group)),
            disabled=self._disabled((key, "disabled"), value),
        )
        line = self._lines.get((key, "password"), self._lines[key,])
        return UserEntry(user, self._password((key, "password"), value), line)

    def _refuse_unknown(self, name: str, key: str, value: strict_yaml.Value) -> None:
        """Add an error for an unknown key. It names the key only if it cannot be part of a hash, password or phone."""
        line, near = self._lines[name, key], suggestion(key, KEYS)
        meant = near or f"; known are: {', '.join(KEYS)}"
        if first := without_colon(key, KEYS):
            self.errors.append((line, f"{name}.{first}: no colon after it; write it as {first}: VALUE"))
        elif showable(key, KEYS) and (near or value is not None):
            self.refuse((name, key), f"unknown key{meant}")
        else:
            fix = "put a value that holds a comma or a colon in quotes"
            self.errors.append((line, f"{name}: an unknown key{meant}; {fix}"))

    def _password(self, path: strict_yaml.Path, of: dict[str, strict_yaml.Value]) -> str | None:
        if "password" not in of:
            return None
        hashed = of["password"]
        try:
            parameters_of(hashed if isinstance(hashed, str) else "")
        except ValueError as problem:
            self.refuse(path, str(problem))
            return None
        return str(hashed)

    def _list(
        self,
        path: tuple[str, str],
        of: dict[str, strict_yaml.Value],
        item: Callable[[strict_yaml.Path, strict_yaml.Value], T | None],
    ) -> list[T]:
        values = of.get(path[1], [])
        if not isinstance(values, list):
            self.refuse(path, f"must be a list, like {EXAMPLES[path[1]]}")
            return []
        items = [item((*path, index), value) for index, value in enumerate(values)]
        return [read for read in items if read is not None]

    def _phone(self, path: strict_yaml.Path, value: strict_yaml.Value) -> Phone | None:
        if not isinstance(value, str):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            self.refuse(path, f"{'YAML reads this as a number' if number else 'not a phone number'}; put it in quotes")
            return None
        try:
            return parse_phone(value)
        except ValueError as problem:
            self.refuse(path, str(problem))
            return None

    def _group(self, path: strict_yaml.Path, value: strict_yaml.Value) -> str | None:
        if isinstance(value, str) and value.strip():
            return value
        self.refuse(path, "a group is a name; put it in quotes")
        return None

    def _language(self, path: strict_yaml.Path, of: dict[str, strict_yaml.Value]) -> str:
        value = of.get("language", DEFAULT_LANGUAGE)
        if not isinstance(value, str) or (self._messages is None and normal_tag(value) is None):
            self.refuse(path, "must be a language, like en")
            return DEFAULT_LANGUAGE
        try:
            return value if self._messages is None else checked_language(value, self._messages)
        except ValueError as problem:
            self.refuse(path, str(problem))
            return DEFAULT_LANGUAGE

    def _disabled(self, path: strict_yaml.Path, of: dict[str, strict_yaml.Value]) -> bool:
        value = of.get("disabled", False)
        if isinstance(value, bool):
            return value
        self.refuse(path, "must be true or false")
        return True
