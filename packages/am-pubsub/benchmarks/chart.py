"""Draw how long it takes until all know all, and what each says for it, by the number of peers.

Writes `packages/am-pubsub/docs/convergence.svg`, prints the points. `--seed K`, `--peers N ...`.
"""

from __future__ import annotations

import argparse
import gc
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from am_pubsub.testing import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

PICTURE = Path(__file__).parents[1] / "docs" / "convergence.svg"
PEERS = (10, 30, 100, 300, 1000)
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 60, 60, 40, 50
SECONDS, MESSAGES = 5.0, 100.0
"""What the top of the left and of the right axis stands for."""


def main() -> int:
    """Play, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", type=int, nargs="+", default=PEERS)
    options = parser.parse_args()
    gc.disable()
    points = []
    for peers in options.peers:
        joined, _, said = SCENARIOS["joining"](options.seed, peers=peers)  # type: ignore[call-arg]
        points.append((peers, joined.value, said.value))
        print(
            f"{peers:>5} peers: {joined.value:.2f} s, {said.value:.1f} messages a peer", flush=True
        )
        gc.collect()
    PICTURE.write_text(drawn(points))
    return 0


def drawn(points: Sequence[tuple[int, float, float]]) -> str:
    """Return the picture; the number of peers grows by factors."""
    sizes = [peers for peers, _, _ in points]
    low, high = math.log(min(sizes)), math.log(max(sizes))

    def x(peers: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log(peers) - low) / ((high - low) or 1)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 20, "seconds until all know all", "#0b62a4"),
        _text(WIDTH - RIGHT, 20, "messages a peer", "#b8560b", "end"),
        _text(WIDTH / 2, HEIGHT - 12, "peers, all joining within a second", "#333", "middle"),
    ]
    for step in range(6):
        at = y(step / 5)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, at + 4, f"{SECONDS * step / 5:g}", "#0b62a4", "end"))
        parts.append(_text(WIDTH - RIGHT + 8, at + 4, f"{MESSAGES * step / 5:g}", "#b8560b"))
    parts += [_text(x(peers), HEIGHT - 32, f"{peers:,}", "#333", "middle") for peers in sizes]
    for color, column, top in (("#0b62a4", 1, SECONDS), ("#b8560b", 2, MESSAGES)):
        places = [(x(point[0]), y(point[column] / top)) for point in points]
        line = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{color}"/>'
            for across, down in places
        ]
    return "\n".join([*parts, "</svg>\n"])


def _text(x: float, y: float, text: str, color: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}">{text}</text>'


if __name__ == "__main__":
    sys.exit(main())
