"""Pictures of a terminal as one that moves: whatever all of them show is in it once."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 3  # that each picture is shown
_ID = re.compile(r"terminal-\d+")
_RULE = re.compile(r"^ *\.moving-(r\d+) \{ (.*?) ?\}$", re.MULTILINE)
_LOOK = re.compile(r'class="moving-(r\d+)"')
_RECT = re.compile(r'<rect fill="([^"]+)"[^>]*shape-rendering="crispEdges"/>')
_TEXT = re.compile(r'<text class="moving-r\d+"[^>]*>([^<]*)</text>')
_TITLE = re.compile(r'<text class="moving-title"[^>]*>[^<]*</text>')


class _Shapes(NamedTuple):
    """What one picture consists of, grounds of the usual color aside."""

    grounds: list[str]
    texts: list[str]


def moving(pictures: Sequence[str]) -> str:
    """One picture that shows these for some seconds each, over and over.

    Who asks for less motion sees the first of them. They have to be of one size, as `textual` draws
    its screen.
    """
    named = [_ID.sub("moving", picture) for picture in pictures]
    first = named[0]
    usual = Counter(_RECT.findall(first)).most_common(1)[0][0]
    looks: dict[str, str] = {}
    frames = [_shapes(picture, usual, looks) for picture in named]
    grounds, texts = (set(frames[0][part]) for part in (0, 1))
    for frame in frames[1:]:
        grounds &= set(frame.grounds)
        texts &= set(frame.texts)
    head, _, inside = first.partition("</defs>")
    style, _, defs = head.partition("</style>")
    window, screen, _ = inside.partition('<g transform="translate(9')
    screen += inside[len(window) + len(screen) :].partition(">")[0] + ">"
    titles = [_TITLE.findall(picture) for picture in named]
    rules = "\n".join(f".moving-{look} {{ {rule} }}" for rule, look in looks.items())
    parts = [
        f"{_RULE.sub('', style).rstrip()}\n{rules}\n{_motion(len(frames))}</style>{defs}</defs>",
        _TITLE.sub("", window).strip(),
        *_layers(titles, set()),
        f'{screen}<rect fill="{usual}" width="100%" height="100%"/>',
        *sorted(grounds),
        *_layers([frame.grounds for frame in frames], grounds),
        '<g class="moving-matrix">',
        *sorted(texts),
        *_layers([frame.texts for frame in frames], texts),
        "</g></g>\n</svg>\n",
    ]
    return "\n".join(parts)


def _shapes(picture: str, usual: str, looks: dict[str, str]) -> _Shapes:
    """The shapes of a picture; how texts look is named alike in all pictures."""
    rules = dict(_RULE.findall(picture))

    def named(match: re.Match[str]) -> str:
        return f'class="moving-{looks.setdefault(rules[match[1]], f"k{len(looks)}")}"'

    grounds = [match[0] for match in _RECT.finditer(picture) if match[1] != usual]
    texts = [match[0] for match in _TEXT.finditer(picture) if match[1].strip()]
    return _Shapes(grounds, [_LOOK.sub(named, text) for text in texts])


def _layers(frames: Sequence[Sequence[str]], shared: set[str]) -> list[str]:
    """What each frame has and not all have, a group each."""
    return [
        f'<g class="moving-at-{number}">{"".join(one for one in frame if one not in shared)}</g>'
        for number, frame in enumerate(frames)
    ]


def _motion(count: int) -> str:
    """The rules that show one frame after the other."""
    share = 100 / count
    lines = [f".moving-at-{number} {{ visibility: hidden }}" for number in range(1, count)]
    lines.append("@media not (prefers-reduced-motion: reduce) {")
    for number in range(count):
        begin, end = number * share, (number + 1) * share
        steps = {0.0: "hidden", begin: "visible", end: "hidden"}
        if number == count - 1:
            steps[end] = "visible"
        told = " ".join(f"{at:.4g}% {{ visibility: {look} }}" for at, look in steps.items())
        lines.append(f"@keyframes moving-{number} {{ {told} }}")
        animation = f"moving-{number} {count * SECONDS}s step-end infinite"
        lines.append(f".moving-at-{number} {{ animation: {animation} }}")
    return "\n".join([*lines, "}\n"])
