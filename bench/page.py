"""What a bench found: printed, and with --page written between its marks in docs/performance.md: it cannot drift."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

import harness

PAGE = harness.PROJECT / "docs" / "performance.md"
PICTURES = harness.PROJECT / "docs" / "performance"

Rows = Sequence[Sequence[object]]


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the option that every bench has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--page", action="store_true", help="write the tables and curves into docs/performance.md")
    return made


def show(name: str, method: str, rows: Rows, *, page: bool, picture: str = "") -> None:
    """Print `rows`, the first of them the head, with machine and method; on the page also `picture`, an SVG."""
    method = f"{method} Machine: {harness.machine()}."
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(method)
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if not page:
        return
    written = [method, "", *map(_line, [cells[0], ["---"] * len(widths), *cells[1:]])]
    if picture:
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / f"{name}.svg").write_text(picture, encoding="utf-8")
        written += ["", f"![{name.replace('_', ' ')}](performance/{name}.svg)"]
    _write(name, "\n".join(written))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _write(name: str, text: str) -> None:
    marks = re.compile(rf"(<!-- bench/{name}.py -->\n).*?(<!-- end -->)", re.DOTALL)
    before = PAGE.read_text(encoding="utf-8")
    if not marks.search(before):
        raise harness.BenchError(f"{PAGE} has no marks for {name}")
    PAGE.write_text(marks.sub(lambda found: f"{found[1]}{text}\n{found[2]}", before), encoding="utf-8")
