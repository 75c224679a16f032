"""The syntax of FreeRADIUS's configuration files (unlang aside): sections, pairs, quotes, comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from radius_voice.config.errors import ConfigError

MAX_DEPTH = 16
TOKEN = re.compile(
    r"""
    (?P<space>[^\S\n]+|\\\n)
    | (?P<comment>\#[^\n]*)
    | (?P<end>[\n;,])
    | (?P<open>\{)
    | (?P<close>\})
    | (?P<operator>[-+:!=<>~]?=[=~*]?)
    | (?P<quoted>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    | (?P<word>(?:\$\w*\{[^}\n]*\}|%\{[^}\n]*\}|[^\s{}"'=\#,;])+)
    """,
    re.VERBOSE,
)
ESCAPE = re.compile(r"\\([0-7]{3}|.)")
ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Pair:
    """`key = value`. The repr hides the value, which may be a secret."""

    key: str
    line: int
    value: str = field(repr=False)


@dataclass(slots=True)
class Block:
    """`kind name { ... }`, with its pairs in order and the blocks in it."""

    kind: str
    name: str
    line: int
    pairs: list[Pair] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def last(self, *keys: str) -> Pair | None:
        """The last pair with one of these keys."""
        return next((pair for pair in reversed(self.pairs) if pair.key in keys), None)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    line: int
    text: str = field(repr=False)


def parse(text: str, path: Path) -> Block:
    """The file as one block without a name. Raises ConfigError with the line."""
    root = Block("", "", 1)
    open_blocks = [root]
    statement: list[_Token] = []
    for token in _tokens(text, path):
        match token.kind:
            case "open":
                block = _block(statement, token, path)
                if len(open_blocks) > MAX_DEPTH:
                    raise ConfigError([f"{path}:{token.line}: sections are nested more than {MAX_DEPTH} deep"])
                open_blocks[-1].blocks.append(block)
                open_blocks.append(block)
            case "close":
                _add_pair(open_blocks[-1], statement, path)
                if len(open_blocks) == 1:
                    raise ConfigError([f"{path}:{token.line}: }} closes no section; remove it"])
                open_blocks.pop()
            case "end":
                _add_pair(open_blocks[-1], statement, path)
            case _:
                if _is_pair(statement):  # several pairs may be in one line
                    _add_pair(open_blocks[-1], statement, path)
                    statement = []
                statement.append(token)
                continue
        statement = []
    _add_pair(open_blocks[-1], statement, path)
    if len(open_blocks) > 1:
        unclosed = open_blocks[-1]
        raise ConfigError([f"{path}:{unclosed.line}: the section {unclosed.kind} is not closed; add }}"])
    return root


def _tokens(text: str, path: Path) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            raise ConfigError([f"{path}:{line}: a quote is not closed in this line; add the closing quote"])
        kind = found.lastgroup or ""
        if kind not in {"space", "comment"}:
            yield _Token(kind, line, found[0])
        line += found[0].count("\n")
        position = found.end()


def _is_pair(statement: list[_Token]) -> bool:
    return len(statement) == 3 and statement[1].kind == "operator"  # noqa: PLR2004 - key, operator and value


def _block(statement: list[_Token], token: _Token, path: Path) -> Block:
    kind, *names = [_unquoted(each) for each in statement] or [""]
    if not kind or any(each.kind == "operator" for each in statement):
        raise ConfigError([f"{path}:{token.line}: {{ follows no name of a section"])
    return Block(kind.lower(), " ".join(names), statement[0].line)


def _add_pair(block: Block, statement: list[_Token], path: Path) -> None:
    match statement:
        case []:
            return
        case [first, *rest] if first.text.startswith(("$INCLUDE", "$-INCLUDE")):
            block.pairs.append(Pair("$include", first.line, " ".join(map(_unquoted, rest))))
        case [key, operator, value] if operator.kind == "operator" and value.kind != "operator":
            block.pairs.append(Pair(key.text.lower(), key.line, _unquoted(value)))
        case [key, operator] if operator.kind == "operator":
            block.pairs.append(Pair(key.text.lower(), key.line, ""))
        case [first, *_]:
            raise ConfigError([f"{path}:{first.line}: is neither KEY = VALUE nor a section"])


def _unquoted(token: _Token) -> str:
    """The text of a token. Escapes have a meaning in double quotes; in single quotes only an escaped quote."""
    if token.kind != "quoted":
        return token.text
    inner = token.text[1:-1]
    if token.text.startswith("'"):
        return inner.replace("\\'", "'")
    return ESCAPE.sub(_unescaped, inner)


def _unescaped(found: re.Match[str]) -> str:
    text = found[1]
    return chr(int(text, 8)) if len(text) > 1 else ESCAPED.get(text, text)
