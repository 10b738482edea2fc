"""Several pictures of a screen become one that moves."""

from __future__ import annotations

import re

from .moving import SECONDS, moving

PICTURE = """<svg class="rich-terminal" viewBox="0 0 99 99" xmlns="http://www.w3.org/2000/svg">
    <style>
    .terminal-{id}-matrix {{ font-size: 20px; }}

    .terminal-{id}-r1 {{ fill: {first} }}
.terminal-{id}-r2 {{ fill: {second};font-weight: bold }}
    </style>

    <defs><clipPath id="terminal-{id}-line-0"><rect x="0" y="1"/></clipPath></defs>

    <rect fill="#292929" rx="8"/><text class="terminal-{id}-title" x="4">{title}</text>
    <g transform="translate(9, 41)" clip-path="url(#terminal-{id}-clip-terminal)">
    <rect fill="#111" x="0" shape-rendering="crispEdges"/>\
<rect fill="#111" x="8" shape-rendering="crispEdges"/>\
<rect fill="{ground}" x="16" shape-rendering="crispEdges"/>
    <g class="terminal-{id}-matrix">
    <text class="terminal-{id}-r1" x="0">same</text>\
<text class="terminal-{id}-r2" x="9">{word}</text>
    </g>
    </g>
</svg>
"""


def test_what_all_pictures_show_is_in_it_once() -> None:
    one = PICTURE.format(
        id=17, first="red", second="blue", title="first", ground="#222", word="one"
    )
    # The numbers of looks are those of each picture.
    two = PICTURE.format(
        id=4, first="blue;font-weight: bold", second="red", title="next", ground="#333", word="two"
    ).replace(">same<", ">other<")
    whole = moving([one, two])
    assert re.findall(r"<g class=\"(moving-at-\d)\">(.*?)</g>", whole) == [
        ("moving-at-0", '<text class="moving-title" x="4">first</text>'),
        ("moving-at-1", '<text class="moving-title" x="4">next</text>'),
        ("moving-at-0", '<rect fill="#222" x="16" shape-rendering="crispEdges"/>'),
        ("moving-at-1", '<rect fill="#333" x="16" shape-rendering="crispEdges"/>'),
        (
            "moving-at-0",
            '<text class="moving-k0" x="0">same</text><text class="moving-k1" x="9">one</text>',
        ),
        (
            "moving-at-1",
            '<text class="moving-k1" x="0">other</text><text class="moving-k2" x="9">two</text>',
        ),
    ]
    assert ".moving-k0 { fill: red }" in whole
    assert ".moving-k1 { fill: blue;font-weight: bold }" in whole
    assert "terminal-" not in whole.replace("rich-terminal", "").replace("clip-terminal", "")

    same = moving([one, one.replace(">one<", ">1<")])
    assert same.count(">same</text>") == same.count('fill="#222"') == 1


def test_each_picture_has_its_seconds_and_who_wants_no_motion_sees_the_first() -> None:
    one = PICTURE.format(id=1, first="red", second="blue", title="", ground="#222", word="one")
    whole = moving([one.replace(">one<", f">{number}<") for number in range(4)])
    before, _, after = whole.partition("@media not (prefers-reduced-motion: reduce)")
    assert re.findall(r"^\.moving-at-(\d) \{ visibility: hidden \}", before, re.M) == [*"123"]
    shown = re.findall(r"@keyframes moving-(\d) \{.*? ([\d.]+)% \{ visibility: visible", after)
    assert dict(shown) == {"0": "0", "1": "25", "2": "50", "3": "75"}
    assert after.count(f" {4 * SECONDS}s step-end infinite") == 4
