"""Secrets: text, or the place to read it from. A secret is a `SecretStr`, whose repr does not show the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, SecretStr

from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import FieldType, JsonSchema, path_of, require_text
from radius_voice.config.suggestions import suggestion
from radius_voice.files.access import ANY_ACCESS, mode_and_owner
from radius_voice.files.reading import read_file

MAX_FILE_OCTETS = 65536
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}")
PLACEHOLDER = "replace-me"
CheckText: TypeAlias = Callable[[str, str], str]
"""Returns the text of a secret, or raises ValueError with a message that names the source, the second argument."""
FIX = "write the text in quotes, {file: PATH}, {env: NAME} or {credential: NAME}"


class SecretUnavailable(ValueError):
    """A secret that only the service can read. The text is the reason; `source` is `env`, `credential` or `file`."""

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self.source = source


class UnavailableSecret(SecretStr):
    """A placeholder for a secret that this process cannot read, in the settings of a command that may not need it."""

    def __init__(self, reason: SecretUnavailable) -> None:
        super().__init__("")
        self.reason = reason

    def get_secret_value(self) -> str:
        """Raises SecretUnavailable, so that no command uses another text as the secret."""
        raise self.reason

    def __bool__(self) -> bool:
        """True: a secret is configured."""
        return True


class SourcedSecret(SecretStr):
    """A secret that was read from `file`, `env` or `credential`, the value of `source`."""

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self.source = source

    def __eq__(self, other: object) -> bool:
        """Whether it is the same text, wherever that was read from."""
        return isinstance(other, SecretStr) and self.get_secret_value() == other.get_secret_value()

    __hash__ = SecretStr.__hash__


def readable_text(secret: SecretStr) -> str | None:
    """The text of a secret, or None if this process cannot read it."""
    return None if isinstance(secret, UnavailableSecret) else secret.get_secret_value()


def is_placeholder(secret: SecretStr) -> bool:
    """Whether the secret is the placeholder of the sample configuration."""
    return readable_text(secret) == PLACEHOLDER


def secret_text(secret: SecretStr, key: str) -> str:
    """The text of the secret at `key`; raises ValueError with the key if this process cannot read it."""
    try:
        return secret.get_secret_value()
    except SecretUnavailable as problem:
        raise ValueError(f"{key}: {problem}") from None


def placeholder_of(secret: SecretStr) -> str:
    """The text that replaces a secret in output. It names the source."""
    match secret:
        case UnavailableSecret():
            return f"<secret from {secret.reason.source}, not readable by this user>"
        case SourcedSecret():
            return f"<secret from {secret.source}>"
    return "<secret from text>"


def unavailable_in(part: Any, key: str = "") -> Iterator[tuple[str, SecretUnavailable]]:
    """The keys of all secrets in `part` of the settings that this process cannot read, and why."""
    match part:
        case UnavailableSecret():
            yield key, part.reason
        case BaseModel():
            for name, field in type(part).model_fields.items():
                yield from unavailable_in(getattr(part, name), f"{key}.{field.alias or name}".removeprefix("."))
        case dict():
            for name, value in part.items():
                yield from unavailable_in(value, f"{key}.{name}")
        case tuple() if len(part) == 1:
            yield from unavailable_in(part[0], key)
        case tuple():
            for index, value in enumerate(part):
                yield from unavailable_in(value, f"{key}[{index}]")


def secret_value(value: dict[str, Any], context: LoadContext) -> SecretStr:
    """`secret_from_source` for a secret of one line."""
    return secret_from_source(value, context, _checked)


def secret_from_source(value: dict[str, Any], context: LoadContext, check: CheckText) -> SecretStr:
    """The secret at `{file: PATH}`, `{env: NAME}` or `{credential: NAME}`; raises ValueError with the fix."""
    if len(value) != 1:
        raise ValueError(f"must have one key; {FIX}")
    try:
        return SourcedSecret(_fetch(value, context, check), next(iter(value)))
    except SecretUnavailable as problem:
        if context.unavailable is None:
            raise
        return context.unavailable(problem)


def _secret(value: Any, context: LoadContext) -> SecretStr:
    match value:
        case dict():
            return secret_value(value, context)
        case "":
            raise ValueError(f"is empty; {FIX}")
        case list():
            raise ValueError(f"must be one secret; {FIX}")
    text = require_text(value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds a lone surrogate, which is not a character; remove it")
    if "\n" in text:
        raise ValueError(f"holds a line break, which a shared secret cannot have; {FIX}")
    context.holds_secret = True
    return SecretStr(text)


def _source_shape(key: str) -> JsonSchema:
    return {
        "type": "object",
        "properties": {key: {"type": "string", "minLength": 1}},
        "required": [key],
        "additionalProperties": False,
    }


TEXT: JsonSchema = {"type": "string", "minLength": 1}
SOURCES = ("file", "env", "credential")
SOURCE_SHAPES = [_source_shape(key) for key in SOURCES]
SHAPE: JsonSchema = {"anyOf": [TEXT, *SOURCE_SHAPES]}
Secret: TypeAlias = Annotated[SecretStr, FieldType(_secret, SHAPE)]
"""Text, or `{file: PATH}`, `{env: NAME}` or `{credential: NAME}` (systemd's LoadCredential=)."""


def _fetch(source: dict[str, Any], context: LoadContext, check: CheckText) -> str:
    # Messages do not show the key: in `secret: {hunter2}` it is the secret.
    match source:
        case {"file": path}:
            context.secret_files.append(path_of(path, context))
            return _read(context.secret_files[-1], check)
        case {"env": str(name)} if NAME.fullmatch(name):
            text = context.environment.get(name, "")
            if not text:
                raise SecretUnavailable(
                    f"the environment variable {name} is not set, or empty; set it where the server starts", "env"
                )
            return check(text, f"the environment variable {name}")
        case {"credential": str(name)} if NAME.fullmatch(name):
            directory = context.environment.get("CREDENTIALS_DIRECTORY")
            if not directory:
                raise SecretUnavailable(
                    f"$CREDENTIALS_DIRECTORY is not set, so the credential {name} cannot be read; "
                    "start the service by systemd with LoadCredential=, or write {file: PATH}",
                    "credential",
                )
            return _read(Path(directory) / name, check)
        case {"env": _} | {"credential": _}:
            raise ValueError("not the name of an environment variable or a credential; use letters, digits and _")
    key = next(iter(source))
    if key.startswith(tuple(f"{name}:" for name in SOURCES)):
        raise ValueError(f"a space is missing after the colon; {FIX}")
    raise ValueError(f"not a source of a secret{suggestion(key, SOURCES)}; {FIX}")


def _read(path: Path, check: CheckText) -> str:
    """The secret in a file, without the line break that editors append."""
    try:
        octets, status = read_file(path, MAX_FILE_OCTETS + 1)
    except PermissionError:
        raise SecretUnavailable(
            f"{path} is not readable by this user{_owner_of(path)}; make the service's user its owner", "file"
        ) from None
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise ValueError(f"{path} cannot be read: {reason}; correct the path or create the file") from None
    if status.st_mode & ANY_ACCESS:
        raise ValueError(f"{path} is open to every user ({mode_and_owner(status)}); run: chmod o-rwx {path}")
    return _text(octets, path, check)


def _owner_of(path: Path) -> str:
    try:
        return f" ({mode_and_owner(path.stat())})"
    except OSError:
        return ""


def _text(octets: bytes, path: Path, check: CheckText) -> str:
    if len(octets) > MAX_FILE_OCTETS:
        raise ValueError(f"{path} is larger than {MAX_FILE_OCTETS} octets; name a file with only the secret")
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; save the secret as text") from None
    return check(re.sub("\r?\n\\Z", "", text), str(path))


def _checked(text: str, source: str) -> str:
    """The text. Raises ValueError if it has characters that are probably not part of the secret at the gateway."""
    if not text:
        raise ValueError(f"{source} is empty; write the secret to it")
    if text.startswith("\ufeff"):
        raise ValueError(f"{source} begins with a byte order mark; save it as UTF-8 without one")
    if text != text.strip():
        raise ValueError(f"{source} begins or ends with a space, tab or line break, which is not ignored; remove it")
    if not text.isprintable():
        raise ValueError(f"{source} holds a line break or an invisible character; a secret is one line of text")
    return text
