"""Rows of the table as a picture: a bar for requests, a figure for age."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, LEFT, BAR, GAP, TOP = 640, 90, 26, 14, 40


def chart(rows: Sequence[tuple[str, int, float]]) -> str:
    """An SVG: name, requests per second, milliseconds of age."""
    most = max(requests for _, requests, _ in rows) or 1
    height = TOP + len(rows) * (BAR + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13" role="img" '
        'aria-label="Requests per second and age of what is read, by nodes of the tree">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="22" fill="#333">requests per second, and how old answers are</text>',
    ]
    for number, (name, requests, age) in enumerate(rows):
        top = TOP + number * (BAR + GAP)
        width = (WIDTH - LEFT - 190) * requests / most
        middle = top + BAR / 2 + 4
        parts += [
            f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end" fill="#333">{name}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" fill="#0b62a4"/>',
            f'<text x="{LEFT + width + 8:.1f}" y="{middle}" fill="#333">'
            f"{requests}/s, {age:.0f} ms</text>",
        ]
    return "\n".join([*parts, "</svg>\n"])
