"""Curves and bars as SVG, nothing but lines and words; a curve's horizontal axis is logarithmic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 320, 64, 44, 16, 96
COLOURS = ("#0b6e4f", "#b5179e", "#3a5a9b")

Points = Sequence[tuple[float, float]]


def drawn(lines: Mapping[str, Points], across: str, up: str) -> str:
    """An SVG of all lines, from the smallest x to the right and from zero upwards. `across` and `up` name the axes."""
    every_x = sorted({x for points in lines.values() for x, _ in points})
    first, last = log10(every_x[0] + 1), log10(every_x[-1] + 1)
    grid = _grid(max(y for points in lines.values() for _, y in points))
    most_up = grid[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        right = (log10(x + 1) - first) / (last - first) if last > first else 0.0
        return LEFT + right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / most_up * (HEIGHT - BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        '     font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for value in grid:
        _, y = place(every_x[0], value)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    below = f'y="{HEIGHT - BOTTOM + 18}" text-anchor="middle"'
    parts += [f'<text x="{place(x, 0)[0]:.1f}" {below}>{x:,.0f}</text>' for x in every_x]
    for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
        places = [place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        end_x, end_y = places[-1]
        parts.append(f'<text x="{end_x + 8:.1f}" y="{end_y + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    middle, turned = (WIDTH - RIGHT + LEFT) / 2, f'transform="rotate(-90 14 {HEIGHT / 2})"'
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>')
    parts.append(f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" {turned}>{escape(up)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _grid(most: float) -> list[float]:
    """Round values from zero to at least `most`, in at most five steps."""
    magnitude = 10.0 ** floor(log10(most / 5))
    step = next(each * magnitude for each in (1, 2, 2.5, 5, 10) if each * magnitude * 5 >= most)
    return [step * number for number in range(ceil(most / step) + 1)]


def bars(lengths: Mapping[str, float], what: str) -> str:
    """An SVG of one bar a name. `what` says what they measure."""
    step, start = 28, 170
    most, height = max(lengths.values()), 28 * len(lengths) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        '     font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, (name, length) in enumerate(lengths.items()):
        y, width = number * step + 8, length / most * (WIDTH - start - 60)
        parts.append(f'<text x="{start - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{start}" y="{y}" width="{width:.1f}" height="20" fill="{COLOURS[0]}"/>')
        parts.append(f'<text x="{start + width + 6:.1f}" y="{y + 14}">{length:,.1f}</text>')
    parts.append(f'<text x="{start}" y="{height - 6}">{escape(what)}</text>')
    return "\n".join([*parts, "</svg>", ""])
