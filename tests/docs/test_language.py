"""Code and documentation use none of the words and phrases in banned_words.txt."""

import ast
import io
import json
import re
import subprocess
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

LIST = Path(__file__).with_name("banned_words.txt")
UNCHECKED = ("tests/docs/banned_words.txt", "dictionaries/", "bench/build", "docs/performance/")
COMMENTED = {"", ".yaml", ".yml", ".toml", ".conf"}  # "" is the suffix of Makefile and scripts
CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LIMITED = re.compile(r"^(?P<phrase>.+?)(?: \((?P<kind>text|identifier|constant|class)\))?$")


@dataclass(frozen=True)
class Banned:
    """A phrase, its replacement, and the only kind of words that it is banned in ("": text and identifiers)."""

    phrase: str
    replacement: str
    kind: str = ""

    def is_in(self, words: str, kind: str) -> bool:
        """Whether the phrase is in `words`, which are a "text", or an "identifier", "constant" or "class"."""
        if self.kind == "constant":
            return kind == "constant" and words.startswith(f"{self.phrase} ")
        if self.kind == "class":
            return kind == "class" and words == self.phrase
        if self.kind and self.kind != ("text" if kind == "text" else "identifier"):
            return False
        return f" {self.phrase} " in f" {words} "


@dataclass(frozen=True)
class Use:
    """A banned phrase at a line of a file."""

    phrase: str
    path: str
    line: int


def read_list(text: str) -> tuple[list[Banned], dict[tuple[str, str], str]]:
    """The banned phrases of a list, and the reasons of its exceptions by phrase and path."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    start = lines.index("[exceptions]")
    banned = []
    for line in lines[:start]:
        limited, replacement = line.split(" => ")
        found = LIMITED.match(limited)
        assert found is not None
        banned.append(Banned(found["phrase"], replacement, found["kind"] or ""))
    exceptions = (line.split(" | ") for line in lines[start + 1 :])
    return banned, {(phrase, path): reason for phrase, path, reason in exceptions}


BANNED, EXCEPTIONS = read_list(LIST.read_text(encoding="utf-8"))


def identifier_words(name: str) -> str:
    """The words of an identifier, in lower case."""
    return " ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)).lower()


def text_words(text: str) -> str:
    """The words of a text, in lower case, without punctuation between words of one sentence."""
    return " ".join(re.findall(r"[a-z0-9]+(?:['-][a-z0-9]+)*|[.;:!?]", text.lower()))


def kind_of(name: str) -> str:
    if name.isupper():
        return "constant"
    return "class" if name[0].isupper() else "identifier"


def python_words(source: str, *, messages: bool) -> Iterator[tuple[int, str, str]]:
    """Line, kind and words of each identifier, comment and docstring. With `messages`, of all other strings too."""
    documentation = {
        (node.value.lineno, node.value.col_offset)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], kind_of(token.string), identifier_words(token.string)
        elif token.type == tokenize.COMMENT or token.start in documentation or (messages and is_string(token)):
            yield token.start[0], "text", text_words(CODE.sub(" . ", token.string))


def is_string(token: tokenize.TokenInfo) -> bool:
    return token.type == tokenize.STRING


def words_of(path: str, text: str) -> Iterator[tuple[int, str, str]]:
    """Line, kind and words of everything that is checked in a file."""
    suffix = Path(path).suffix
    if suffix == ".py":
        yield from python_words(text, messages=not path.startswith(("tests/", "bench/")))
    elif suffix == ".md":
        without_code = CODE.sub(lambda code: " . " + "\n" * code[0].count("\n"), text)
        for paragraph in re.finditer(r"(?:.+\n?)+", without_code):
            yield without_code.count("\n", 0, paragraph.start()) + 1, "text", text_words(paragraph[0])
    elif path.endswith("schema.json"):
        for description in re.findall(r'"description": (".*")', text):
            yield 1, "text", text_words(json.loads(description))
    elif suffix in COMMENTED:
        for number, line in enumerate(text.splitlines(), 1):
            yield number, "text", text_words(line.partition("#")[2])


@cache
def phrases_in(words: str, kind: str) -> tuple[str, ...]:
    """The banned phrases in these words. Most identifiers occur many times."""
    return tuple(banned.phrase for banned in BANNED if banned.is_in(words, kind))


def uses_in(path: str, text: str) -> Iterator[Use]:
    for line, kind, words in words_of(path, text):
        for phrase in phrases_in(words, kind):
            yield Use(phrase, path, line)


def checked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.splitlines() if not path.startswith(UNCHECKED) and (ROOT / path).is_file()]


def exception_for(use: Use) -> tuple[str, str] | None:
    """The exception that allows a use."""
    for phrase, path in EXCEPTIONS:
        if phrase == use.phrase and (use.path == path or use.path.startswith(f"{path.rstrip('/')}/")):
            return phrase, path
    return None


@pytest.fixture(scope="module")
def uses() -> list[Use]:
    return [use for path in checked_files() for use in uses_in(path, (ROOT / path).read_text(encoding="utf-8"))]


def test_no_banned_phrase_is_used(uses: list[Use]) -> None:
    replacements = {banned.phrase: banned.replacement for banned in BANNED}
    found = [use for use in uses if exception_for(use) is None]
    lines = [f"{use.path}:{use.line}: {use.phrase} => {replacements[use.phrase]}" for use in found]
    counts = Counter(use.path for use in found)
    summary = [f"{count:5} {path}" for path, count in counts.most_common()]
    assert not found, "\n".join(["banned phrases:", *lines, f"{len(found)} in all:", *summary])


def test_every_exception_is_needed(uses: list[Use]) -> None:
    assert set(EXCEPTIONS) == {exception_for(use) for use in uses} - {None}


def test_every_exception_has_a_reason() -> None:
    assert all(EXCEPTIONS.values())


@pytest.mark.parametrize(
    ("path", "text", "phrase"),
    [
        ("radius_voice/a.py", "old_house = 1\n", "house"),
        ("radius_voice/a.py", "class OldHouse: ...\n", "house"),
        ("radius_voice/a.py", "LONGEST_NAME = 1\n", "longest"),
        ("radius_voice/a.py", "raise ValueError('the users stay in force')\n", "in force"),
        ("tests/a.py", "def test_x():\n    '''It is there\n    no more.'''\n", "no more"),
        ("tests/a.py", "x = 1  # Nobody\n", "nobody"),
        ("docs/a.md", "One line.\nIt is in\nforce.\n", "in force"),
        ("config/a.yaml", "a: 1  # the house\n", "house"),
        ("config/schema.json", '"description": "the house"\n', "house"),
        ("Makefile", "all:  # the house\n", "house"),
    ],
)
def test_a_banned_phrase_is_found(path: str, text: str, phrase: str) -> None:
    assert [phrase] == [use.phrase for use in uses_in(path, text)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("radius_voice/a.py", "longest = 1\n"),
        ("radius_voice/a.py", "identity = 'people'\n"),
        ("tests/a.py", "text = 'test data: a house'\n"),
        ("docs/a.md", "The key `house`.\n\n```yaml\nhouse: 1\n```\n"),
        ("docs/a.md", "It is in. Force it.\n"),
    ],
)
def test_other_words_are_not_found(path: str, text: str) -> None:
    assert [] == list(uses_in(path, text))
