"""The page of a moment: whole without a network, small, and made of texts that stay texts."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import am_debugger._files.page as page_room
from am_debugger._core.session import Session
from am_debugger._files.page import export
from am_debugger._files.page.export import MOST_BYTES, page_of, write_page
from am_debugger._files.redacted import redacted_session
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import Exporter
from ..messages import mach, process, schema, tx

EVIL = "<script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;</style>"
STYLE = (Path(page_room.__file__).parent / "page.css").read_text()


class Read(HTMLParser):
    """What a browser makes of a page, as far as tests ask."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: list[str] = []
        self._in = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        (self.raw if self._in in ("script", "style") else self.texts).append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def data(self) -> Any:
        return json.loads(next(one for one in self.raw if one.startswith('{"at"')))


def session_of(store: Store, id: str, number: int, state: str = "") -> Session:
    session = Session(store)
    client = store.get(id)
    assert client is not None
    session.select(client).state = state
    session.to(number)
    return session


def plain(count: int = 30) -> Session:
    store = Store()
    exporter = Exporter(Link(store, process()), "w1")
    for k in range(count):
        exporter.do([k % 3], {k % 3: 1}, time=1_000_000 * k, args={"id": f"s3cret-{k}"})
    return session_of(store, "w1", count // 2, "Start")


def evil() -> Session:
    store = Store()
    link = Link(store, process())
    told = schema(
        ("Foo", "Exception"), groups=((EVIL, (0,)),), Exception={"tags": (EVIL,), "require": (0,)}
    )
    link.schema(told)
    link.machine(mach(1, EVIL, told, tags=(EVIL,), handlers=(EVIL,)))
    link.transition(
        1,
        tx(
            args={EVIL: EVIL, "err": EVIL},
            log=((2, EVIL), (2, f"a\n{EVIL}\x1b[31m\u202e")),
            stack=(EVIL,),
            source=(EVIL, b"87654321", 1),
        ),
    )
    client = store.get(EVIL)
    assert client is not None
    client.notes[1] = EVIL
    return session_of(store, EVIL, 1)


def test_names_args_logs_and_notes_stay_text() -> None:
    found = Read(page_of(evil()))
    names = [name for name, _ in found.tags]
    assert names.count("script") == 2
    assert names.count("style") == 1
    sources = [attrs.get("src") or "" for name, attrs in found.tags if name == "img"]
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    attributes = {key for _, attrs in found.tags for key in attrs}
    assert not [key for key in attributes if key.startswith("on") or key == "style"]
    assert not {"iframe", "object", "embed", "link", "base", "form"} & set(names)
    # Machine, state, argument, log, stack and note.
    assert found.text.count(EVIL) > 8
    assert "\x1b" not in found.text
    assert "\u202e" not in found.text
    assert EVIL in json.dumps(found.data, ensure_ascii=False).replace('\\"', '"')


def test_nothing_but_its_own_style_and_script_may_run_and_nothing_may_be_loaded() -> None:
    page = page_of(plain())
    found = Read(page)
    (policy,) = [
        attrs["content"]
        for name, attrs in found.tags
        if name == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert re.findall(r"https?:|//[a-z]", re.sub(rb"mach://", b"", page).decode()) == []


def test_the_still_picture_says_what_there_is_at_the_moment() -> None:
    session = plain()
    found = Read(page_of(session))
    for words in ("Start is active since transition 13", "add", "w1", "15"):
        assert words in found.text
    assert "s3cret-14" in found.text
    current = [attrs for name, attrs in found.tags if attrs.get("aria-current") == "true"]
    assert [attrs.get("data-frame") for attrs in current] == [None, str(found.data["at"])]
    drawn = [attrs for name, attrs in found.tags if name == "svg"]
    assert [attrs["role"] for attrs in drawn] == ["img"]


def test_scripts_get_each_moment_around_with_its_clock() -> None:
    session = plain()
    view = session.selected
    assert view is not None
    data = Read(page_of(session)).data
    clock: dict[int, int] = {}
    for frame in data["frames"]:
        clock |= dict(map(tuple, frame["ticks"]))
        told = view.client.clock_after(frame["number"])
        assert [clock[i] for i in range(len(told))] == told
    assert [frame["number"] for frame in data["frames"]] == list(range(31))
    assert data["at"] == 15


@pytest.mark.parametrize("number", [0, 1, 30])
def test_a_page_of_the_ends_is_of_these(number: int) -> None:
    session = plain()
    session.to(number)
    data = Read(page_of(session)).data
    assert data["frames"][data["at"]]["number"] == number


def test_where_there_is_much_a_page_has_less_of_what_is_around() -> None:
    store = Store()
    link = Link(store, process())
    names = (*[f"State{k:04}{'x' * 100}" for k in range(300)], "Exception")
    told = schema(names, **{name: {"require": tuple(range(20))} for name in names[40:]})
    link.schema(told)
    for k in range(1, 620):
        link.machine(mach(k, f"{k}{'&' * 500}", told))
    for k in range(61):
        sent = tx(b"%08d" % k, called=(k,), args={"text": "&" * 5000}, log=((2, "<" * 9000),) * 30)
        link.transition(1, sent)
    session = session_of(store, f"1{'&' * 500}", 30)
    page = page_of(session)
    assert len(page) <= MOST_BYTES
    found = Read(page)
    assert "… and" in found.text
    assert found.data["frames"][found.data["at"]]["number"] == 30
    assert len(found.data["frames"]) < 61


def test_what_is_left_out_is_nowhere_in_the_page() -> None:
    session = plain()
    session.store.get("w1").notes[15] = "s3cret-note"  # type: ignore[union-attr]
    whole = page_of(session)
    kinds = frozenset(("args", "logs", "ids"))
    page = page_of(redacted_session(session, kinds, process("writer")), sorted(kinds))
    for word in (b"s3cret", b"w1"):
        assert word not in page, word
    assert b"s3cret-note" in whole
    assert "Left out: args, ids, logs." in Read(page).text
    before, after = [Read(one).data for one in (whole, page)]
    assert [frame["ticks"] for frame in after["frames"]] == [
        frame["ticks"] for frame in before["frames"]
    ]


def test_without_graphviz_the_picture_is_there_and_diagrams_are_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = Read(page_of(evil()))
    assert "img" not in [name for name, _ in found.tags]
    assert "flowchart" in found.text


def test_a_page_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    session = plain()
    size = write_page(session, path)
    assert path.stat().st_size == size
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(export, "MOST_BYTES", 1000)
    with pytest.raises(export.PageTooLargeError, match="bytes large"):
        write_page(session, path)
    assert path.stat().st_size == size
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def luminance(color: str) -> float:
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_texts_stand_out_from_each_ground(theme: int) -> None:
    colors = dict(re.findall(r"--(\w+): (#\w{6})", STYLE.split(":root {")[1 + theme]))
    for ground in ("ground", "surface", "shade"):
        for name in ("text", "faint", "red", "green", "yellow", "blue", "magenta"):
            one, other = sorted([luminance(colors[name]), luminance(colors[ground])])
            assert (other + 0.05) / (one + 0.05) >= 4.5, (name, ground)
