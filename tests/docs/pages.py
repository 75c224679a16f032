"""The documentation as tests read it: pages, their blocks of code, their commands."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_OURS = {".venv", ".venv-wheel", ".peers", "node_modules", "dist"}
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages():
    """Every Markdown file of the project, by its path from the root."""
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*.md")]
    return sorted(str(path) for path in found if not NOT_OURS & set(path.parts))


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page, language):
    """The blocks of code of that language, in order."""
    return [code for written_in, code in _BLOCK.findall(text(page)) if written_in == language]


def prose(page):
    """The page without its blocks of code."""
    return _BLOCK.sub("", text(page))


def commands(page):
    """The command lines of a page's console blocks, in order."""
    return [line[2:] for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]


def anchors(page):
    """The anchors of the page's headings, as GitHub creates them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
