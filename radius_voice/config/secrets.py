"""Secrets: text, or where to find it. Once read they are `SecretStr`, which never shows itself."""

from __future__ import annotations

import os
import pwd
import re
import stat
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import SecretStr

from radius_voice.config.kinds import Kind, Place, Shape, path_of, text_of
from radius_voice.files import read_file
from radius_voice.words import suggestion

LARGEST = 65536
READABLE_BY_OTHERS = 0o007
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}")
MEND = "write the text in quotes, {file: PATH}, {env: NAME} or {credential: NAME}"


def described(status: os.stat_result) -> str:
    """Mode and owner of a file, for messages."""
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    return f"mode {stat.S_IMODE(status.st_mode):04o}, owner {owner}"


def _secret(value: Any, place: Place) -> SecretStr:
    match value:
        case dict() if len(value) == 1:
            return SecretStr(_looked_up(value, place))
        case dict():
            raise ValueError(f"not one source of a secret; {MEND}")
        case "":
            raise ValueError(f"is empty; {MEND}")
        case list():
            raise ValueError(f"must be one secret; {MEND}")
    text = text_of(value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds half a character (a surrogate); write the whole one")
    if "\n" in text:
        raise ValueError(f"holds a line break, which a shared secret cannot have; {MEND}")
    place.holds_secret = True
    return SecretStr(text)


def _source_shape(key: str) -> Shape:
    return {
        "type": "object",
        "properties": {key: {"type": "string", "minLength": 1}},
        "required": [key],
        "additionalProperties": False,
    }


TEXT: Shape = {"type": "string", "minLength": 1}
SOURCES = ("file", "env", "credential")
SHAPE: Shape = {"anyOf": [TEXT, *(_source_shape(key) for key in SOURCES)]}
Secret: TypeAlias = Annotated[SecretStr, Kind(_secret, SHAPE)]
"""Text, or `{file: PATH}`, `{env: NAME}` or `{credential: NAME}` (systemd's LoadCredential=)."""


def _looked_up(source: dict[str, Any], place: Place) -> str:
    # The keys are matched, never named: in `secret: {hunter2}` the key is the secret.
    match source:
        case {"file": path}:
            return _read(path_of(path, place))
        case {"env": str(name)} if NAME.fullmatch(name):
            text = place.environment.get(name, "")
            if not text:
                raise ValueError(
                    f"the environment variable {name} is not set, or empty; set it where the server starts"
                )
            return _checked(text, f"the environment variable {name}")
        case {"credential": str(name)} if NAME.fullmatch(name):
            directory = place.environment.get("CREDENTIALS_DIRECTORY")
            if not directory:
                raise ValueError(
                    "there is no $CREDENTIALS_DIRECTORY; start by systemd with LoadCredential=, or use {file: PATH}"
                )
            return _read(Path(directory) / name)
        case {"env": _} | {"credential": _}:
            raise ValueError("not the name of an environment variable or a credential")
    raise ValueError(f"not a source of a secret{suggestion(next(iter(source)), SOURCES)}; {MEND}")


def _read(path: Path) -> str:
    """The text of a file of a secret, without the one line break that editors put at its end."""
    try:
        octets, status = read_file(path, LARGEST + 1)
    except PermissionError:
        raise ValueError(
            f"{path} is not readable by this user{_owner_of(path)}; give it to the server's user"
        ) from None
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise ValueError(f"{path} cannot be read: {reason}; correct the path or make the file") from None
    if status.st_mode & READABLE_BY_OTHERS:
        raise ValueError(f"{path} is open to every user ({described(status)}); run: chmod o-rwx {path}")
    return _text(octets, path)


def _owner_of(path: Path) -> str:
    try:
        return f" ({described(path.stat())})"
    except OSError:
        return ""


def _text(octets: bytes, path: Path) -> str:
    if len(octets) > LARGEST:
        raise ValueError(f"{path} is larger than {LARGEST} octets, which is no secret")
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    return _checked(re.sub("\r?\n\\Z", "", text), str(path))


def _checked(text: str, place: str) -> str:
    """The text, unless it holds what nobody sees: a gateway would be given another secret."""
    if not text:
        raise ValueError(f"{place} is empty; put the secret into it")
    if text.startswith("\ufeff"):
        raise ValueError(f"{place} begins with a byte order mark; save it as UTF-8 without one")
    if text != text.strip():
        raise ValueError(f"{place} begins or ends with a space, tab or line break; remove it, it is not ignored")
    if not text.isprintable():
        raise ValueError(f"{place} holds a line break or an invisible character; a secret is one line of text")
    return text
