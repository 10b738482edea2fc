"""A growth curve as a small SVG: the size on a logarithmic axis, the cost as a factor."""

# ruff: noqa: RUF001 -- the signs for "times" and "micro" are meant
from __future__ import annotations

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 50, 36, 36, 44


def growth(title: str, unit: str, points: list[tuple[int, float]], limit: float) -> str:
    """The curve through `points`, with the limit as a dashed line."""
    sizes = [math.log10(size) for size, _ in points]
    top = max(limit, *(factor for _, factor in points)) * 1.15

    def across(size: float) -> float:
        share = (math.log10(size) - sizes[0]) / (sizes[-1] - sizes[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def up(factor: float) -> float:
        return HEIGHT - BOTTOM - factor / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(WIDTH / 2, 20, title, size=14),
        line(LEFT, up(0), WIDTH - RIGHT, up(0), "black"),
        line(LEFT, up(0), LEFT, TOP, "black"),
        line(LEFT, up(limit), WIDTH - RIGHT, up(limit), "#c33", dashed=True),
        text(WIDTH - RIGHT, up(limit) - 5, f"limit {limit:g}×", anchor="end", fill="#c33"),
        text(WIDTH / 2, HEIGHT - 8, unit),
    ]
    for factor in sorted({0.0, 1.0, limit}):
        parts.append(text(LEFT - 6, up(factor) + 4, f"{factor:g}×", anchor="end"))
    path = " ".join(f"{across(size):.1f},{up(factor):.1f}" for size, factor in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="#27c" stroke-width="2"/>')
    for size, factor in points:
        x, y = across(size), up(factor)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#27c"/>')
        parts.append(text(x, y - 9, f"{factor:.2f}"))
        parts.append(text(x, up(0) + 16, f"{size:,}"))
    return "\n".join([*parts, "</svg>\n"])


def text(
    x: float, y: float, words: str, *, anchor: str = "middle", size: int = 12, fill: str = "black"
) -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {where} font-size="{size}" fill="{fill}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, color: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{color}"{dash}/>'
