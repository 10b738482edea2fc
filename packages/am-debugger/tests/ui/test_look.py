"""How the screen looks: contrast, no colors, widths, how often it is drawn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual._compositor import Compositor

from am_debugger._derive.moment import Label
from am_debugger._store.link import Link
from am_debugger._ui import colors
from am_debugger._ui.fitting import fit, telling_end
from am_debugger._ui.lines import LineWidget
from am_debugger._ui.rows import client_row
from am_debugger._ui.virtual import strip_of

from ..exporter import Exporter
from ..messages import process
from .driving import SIZES, drive, fill_with_related, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.store import Store
    from am_debugger._ui.app import DebuggerApp

LEAST = 4.5
_RECT = re.compile(
    r'<rect fill="(#\w{6})" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"'
)
_TEXT = re.compile(r'<text class="[\w-]+-(r\d+)" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>')
# Blanks, and blocks that scroll bars and frames are drawn with.
_NO_LETTERS = re.compile(r"&#160;|\s|[\u2580-\u259f]")
_CLASS = re.compile(r"\.[\w-]+-(r\d+) \{ fill: (#\w{6})")


def luminance(color: str) -> float:
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def pairs(svg: str) -> dict[tuple[str, str], str]:
    """Colors of text and of what is below it, each with a text that has them."""
    fills = dict(_CLASS.findall(svg))
    rects = [(fill, *map(float, rest)) for fill, *rest in _RECT.findall(svg)]
    found: dict[tuple[str, str], str] = {}
    rows: dict[float, list[tuple[str, float, float]]] = {}
    for name, x_text, y_text, shown in _TEXT.findall(svg):
        x, y = float(x_text) + 1, float(y_text) - 4
        if y not in rows:
            rows[y] = [
                (fill, left, left + width) for fill, left, top, width, height in rects
                if top <= y < top + height
            ]  # fmt: skip
        grounds = [fill for fill, left, right in rows[y] if left <= x < right]
        letters = _NO_LETTERS.sub("", shown)
        if grounds and letters:
            found[fills[name], grounds[-1]] = shown
    return found


def fill(store: Store) -> None:
    """One machine with relations, and others of each kind of color."""
    fill_with_related(store)
    link = Link(store, process("other"))
    for handle, name in enumerate(("failing", "had-failed", "gone"), 1):
        exporter = Exporter(link, name, handle)
        exception = exporter.names.index("Exception")
        exporter.do([exception], {exception: 1}, time=1)
        if name == "had-failed":
            exporter.do([exception], {exception: 1}, time=2, kind=1)
    gone = Link(store, process("gone"))
    Exporter(gone, "gone-too", 1).do([0], {0: 1}, time=1)
    gone.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_each_text_stands_out_from_its_ground(tmp_path: Path, theme: str) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        faint: dict[tuple[str, str], str] = {}
        seen = 0

        async def look() -> None:
            nonlocal seen
            await settle(pilot)
            found = pairs(app.export_screenshot())
            seen = max(seen, len(found))
            faint.update({k: shown for k, shown in found.items() if contrast(*k) < LEAST})

        machine.add("SelectingClient", client="job")
        machine.add("StateNameSelected", state="Ready")
        machine.add("LogReaderEnabled")
        machine.add("SetCursor", number=7)
        await press(pilot, "alt+k", "alt+k", "alt+k")
        await look()
        machine.add("TreeFocused")
        await look()
        for name in ("alt+m", "alt+m", "question_mark", "escape", "alt+s", "escape", "alt+w"):
            await press(pilot, name)
            await look()
        await press(pilot, "escape")
        machine.add("SelectingClient", client="failing")
        machine.add("Searched", text="state")
        machine.add("TreeLogView")
        await look()
        assert seen >= 6
        assert not faint, [(k, shown, round(contrast(*k), 2)) for k, shown in faint.items()]

    drive(tmp_path, body, fill=fill, size=(200, 60), options=["--theme", theme])


def test_without_colors_machines_that_differ_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        assert app.no_color
        rows = text(app)
        assert re.search(r"failing +! +E", rows)
        assert re.search(r"had-failed +!", rows)
        assert re.search(r"gone-too +×", rows)  # noqa: RUF001
        machine = debugger.machine
        machine.add("SelectingClient", client="job")
        machine.add("SetLogLevel", level=3)
        await settle(pilot)
        marks = {line[0] for line in re.findall(r"│([▌·q×]\[)", text(app))}  # noqa: RUF001
        assert marks >= {"▌", "×"}  # noqa: RUF001

    drive(tmp_path, body, fill=fill, size=(200, 60))


def test_styles_that_differ_in_color_alone_stand_beside_a_sign() -> None:
    """Those of states differ in face, too; those of the log and of machines have marks."""
    assert colors.ACTIVE.bold is not colors.INACTIVE.bold
    assert colors.DISCONNECTED.italic
    assert colors.CALLED.underline
    assert colors.CURRENT.bold


@pytest.mark.parametrize("size", SIZES)
def test_no_line_is_wider_than_its_pane_and_what_is_cut_says_so(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    def long(store: Store) -> None:
        fill_with_related(store)
        link = Link(store, process("long"))
        exporter = Exporter(link, "界m" * 150, 1)
        exporter.announce(tags=("t" * 300,))
        exporter.do([0], {0: 1}, time=1, args={"id": "x" * 5000})

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="界m" * 150)
        debugger.machine.add("LogReaderEnabled")
        for view in ("TreeLogView", "TreeMatrixView", "ToolRain"):
            debugger.machine.add(view)
            await settle(pilot)
            for pane in app.query(LineWidget):
                if not pane.display:
                    continue
                for y in range(pane.size.height):
                    assert pane.line(y).cell_length <= pane.size.width
        debugger.machine.add("TreeLogView")
        await settle(pilot)
        address = text(app).splitlines()[0]
        assert address.rstrip().endswith("…")

    drive(tmp_path, body, size=size, fill=long)


@given(st.lists(st.text(max_size=12), max_size=6), st.integers(1, 30))
def test_a_row_is_as_wide_as_its_pane_and_a_cut_one_ends_in_an_ellipsis(
    texts: list[str], width: int
) -> None:
    shown = [one for one in texts if one.isprintable()]
    strip = strip_of([(one, colors.PLAIN) for one in shown], width)
    assert sum([cell_len(segment.text) for segment in strip]) == width
    if sum(map(cell_len, shown)) > width:
        assert strip.text.rstrip(" ").endswith("…")


@given(st.text(max_size=40), st.integers(0, 30), st.sampled_from([1 / 2, 2 / 3, 5 / 6]))
def test_a_name_that_is_cut_keeps_both_its_ends(name: str, width: int, end: float) -> None:
    shown = fit(name, width, end)
    assert len(shown) <= width or shown == name
    if len(name) > width >= 5:
        assert "…" in shown
        assert name.startswith(shown.partition("…")[0])
        assert name.endswith(shown[-1])


def test_names_are_cut_where_most_of_them_stay_apart() -> None:
    alike = [f"nc-TextStats-client{k}-191950" for k in (1, 2)]
    assert [fit(one, 16) for one in alike] == ["nc-TextS…-191950"] * 2
    end = telling_end(alike, 16)
    assert [fit(one, 16, end) for one in alike] == ["nc-Te…nt1-191950", "nc-Te…nt2-191950"]
    # Where the beginnings tell more, or as much, they keep their half.
    assert telling_end(["supervisor-1-at-a-host", "superseder-1-at-a-host"], 16) == 0.5
    assert telling_end(["short", "names"], 16) == 0.5
    assert telling_end([], 16) == 0.5


def test_machines_whose_ids_differ_in_the_middle_stay_apart(tmp_path: Path) -> None:
    def fill(store: Store) -> None:
        link = Link(store, process())
        for handle, kind in enumerate(("client1", "client2", "worker"), 1):
            Exporter(link, f"nc-TextStats-{kind}-191950", handle).do([0], {0: 1}, time=1)

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        found = [line[1:17] for line in text(app).splitlines() if "-191950" in line]
        assert len(found) == len(set(found)) == 3, text(app)

    drive(tmp_path, body, size=(120, 40), fill=fill)


def test_a_row_under_the_cursor_is_of_one_color_and_keeps_its_faces() -> None:
    row = [("on", colors.ACTIVE), ("gone", colors.DISCONNECTED)]
    on, gone, rest = strip_of(row, 10, is_cursor=True)
    assert {one.style.color for one in (on, gone, rest) if one.style} == {None}
    assert all(one.style is not None and one.style.reverse for one in (on, gone, rest))
    assert on.style is not None
    assert on.style.bold
    assert gone.style is not None
    assert gone.style.italic


@given(st.text(min_size=1, max_size=60), st.integers(0, 10**9), st.integers(12, 40))
def test_a_machine_is_as_wide_as_the_list(name: str, missing: int, width: int) -> None:
    class Shown:
        id = name
        is_connected = True
        lost = missing

    label = Label(Shown(), 1, 12, True, False, False, True, True)  # type: ignore[arg-type]
    strip = strip_of(client_row(label, width, 4, is_selected=False), width)
    assert sum([cell_len(segment.text) for segment in strip]) == width


def test_while_tailing_the_whole_screen_is_drawn_once_a_second_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    whole = Compositor.render_full_update

    def counted(self: Compositor, *args: bool, **kwargs: bool) -> object:
        drawn.append(self)
        return whole(self, *args, **kwargs)

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        link = Link(debugger.session.store, process("busy"))
        exporter = Exporter(link, "busy", 1)
        exporter.do([0], {0: 1}, time=1)
        debugger.machine.add("SelectingClient", client="busy")
        debugger.machine.add("TailMode")
        for k in range(60):  # until no scroll bar is to come
            exporter.do([k % 3], {k % 3: 1}, time=2 + k)
        debugger.took(10)
        await settle(pilot)
        monkeypatch.setattr(Compositor, "render_full_update", counted)
        for k in range(30):
            exporter.do([k % 3], {k % 3: 1}, time=100 + k)
            debugger.took(10)
            await settle(pilot)
        view = debugger.session.selected
        assert view is not None
        assert view.cursor == 91
        assert len(drawn) <= 2, "thirty pictures, about two seconds"

    drive(tmp_path, body)
