"""Acceptance 17: diagrams as text, against golden files that the real Mermaid and D2 parse.

``AM_UPDATE_GOLDEN=1 pytest test_diagrams.py`` writes the golden files anew.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import am_helpers as amh
import am_machine as am
from am_helpers._diagrams import render as rendering

GOLDEN = Path(__file__).parents[1] / "golden"
LANGUAGES = {"mmd": amh.mermaid, "d2": amh.d2}


class Media(amh.Basic, am.States):
    """Names that mean something to diagram languages are ordinary names here."""

    Note = am.State(auto=True, multi=True, after=["Subgraph"])
    Subgraph = am.State(require=[Note], remove=["Style"])
    Style = am.State(add=["Label"])
    Label = am.State()
    Loop = am.State(auto=True, remove=[Note])
    Link_2 = am.State(multi=True)

    class Groups:
        """Groups that share a state."""

        Flow = ("Note", "Subgraph")
        Look = ("Style", "Subgraph", "Label")


HOSTILE = 'a "quoted"; id\n with `ticks` #35; <b> $x \\ ${y} %% [[x]] |p| end'


def media(machine: Any) -> Any:
    mach = machine(Media, id="media")
    mach.add("Start", "Style", "Link_2")
    return mach


def graph(machine: Any) -> Any:
    pytest.importorskip("networkx")
    parent = machine(amh.Connected, id=HOSTILE, tags=[HOSTILE, "t:1"])
    child = machine(Media, id="end", parent=parent)
    far = machine({"Foo": {"auto": True}}, id="m0")
    amh.bind(parent, child, "Start")
    amh.bind_many(child, far, ["Note", "Label"], ["Foo", "Foo"])
    far.sem_log.pipe_out("add", "Foo", 'nowhere"')
    child.add("Style")
    found = amh.Graph.from_machines(parent, child, far)
    found.connect("end", "m0", '127.0.0.1:80 "x"')
    return found


def transition(machine: Any, kind: str) -> am.Transition:
    kept: list[am.Transition] = []

    class Keep(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            kept.append(transition)

    class Handlers:
        def StyleEnter(self, event: am.Event) -> None:
            pass

        def StyleLabel(self, event: am.Event) -> None:
            pass

        def StartStyle(self, event: am.Event) -> None:
            pass

        def LabelState(self, event: am.Event) -> None:
            pass

        def StyleEnd(self, event: am.Event) -> None:
            pass

        def StyleExit(self, event: am.Event) -> None:
            pass

        def AnyEnter(self, event: am.Event) -> None:
            pass

        def AnyState(self, event: am.Event) -> None:
            pass

    mach = machine(Media, id="media", handlers=Handlers(), tracers=[Keep()])
    mach.sem_log.steps = True
    mach.add("Start")
    mach.add("Style")
    mach.add("Loop", "Note")
    mach.remove("Style", "Start")
    return next(t for t in kept if str(t.mutation).startswith(kind))


class Link(am.States):
    """A connection that one may ask for in vain."""

    Powered = am.State()
    Cable = am.State(require=[Powered])
    Connecting = am.State(require=[Cable], remove=["Connected"])
    Connected = am.State(require=[Cable], remove=[Connecting, "Idle"], add=["Shown"])
    Idle = am.State(auto=True, remove=[Connecting])
    Ready = am.State(require=[Connected, "License"])
    License = am.State()
    Shown = am.State(multi=True)
    Repair = am.State(remove=[Ready, Connected])


CALLS = ("IdleExit", "ConnectedEnter", "IdleConnected", "ConnectedState", "IdleEnd")
PLUGGED = ("Idle", "Powered", "Cable")
UP = ("Powered", "Cable", "Connected", "Ready", "License")


def told(kind: str, called: str, active: tuple[str, ...], **options: Any) -> am.Explanation:
    return Link.schema().explain(kind, called.split(), active, **options)


MARKS = {
    "end:Style": "called",
    "end:Note": "touched",
    "end:Label": "added",
    "end:Loop": "removed",
    "end:Ready": "dimmed",
    "m0": "dimmed",
    'nowhere"': "dimmed",
    "ErrNetwork": "touched",
}
CASES: dict[str, Any] = {
    "basic": lambda make, draw: draw(amh.Basic),
    "connected": lambda make, draw: draw(amh.Connected),
    "conn_pool": lambda make, draw: draw(amh.ConnPool),
    "disposed": lambda make, draw: draw(amh.Disposed),
    "machine": lambda make, draw: draw(media(make)),
    "own_states": lambda make, draw: draw(Media, inherited=False, groups=False),
    "graph_grouped": lambda make, draw: draw(graph(make)),
    "graph_detailed": lambda make, draw: draw(graph(make), pipes="detailed", relations=False),
    "transition_add": lambda make, draw: draw(transition(make, "[add] Style")),
    "transition_refused": lambda make, draw: draw(transition(make, "[add] Loop Note")),
    "transition_remove": lambda make, draw: draw(transition(make, "[remove]")),
    "explain_accepted": lambda make, draw: draw(told("add", "Connected", PLUGGED, handlers=CALLS)),
    "explain_missing": lambda make, draw: draw(told("add", "Ready", ("Idle",))),
    "explain_vetoed": lambda make, draw: draw(
        told("add", "Connected", PLUGGED, handlers=CALLS, vetoed=["ConnectedEnter"])
    ),
    "explain_removed": lambda make, draw: draw(told("add", "Repair Connected", UP)),
    "explain_set": lambda make, draw: draw(told("set", "License", UP)),
    "explain_remove": lambda make, draw: draw(told("remove", "Powered", UP)),
    "explain_hostile": lambda make, draw: draw(
        dataclasses.replace(told("add", "Shown", (), is_auto=True), reasons=(HOSTILE, "1. end"))
    ),
    "explain_steps": lambda make, draw: draw(
        told("add", "Connected", PLUGGED, handlers=CALLS), steps=True
    ),
    "marked": lambda make, draw: draw(graph(make), marks=MARKS, groups=False),
    "empty": lambda make, draw: draw({"Foo": {}}, only=["Nothing"]),
    "hostile_single": lambda make, draw: draw(make({"Foo": {}}, id=HOSTILE, tags=[HOSTILE])),
}


ALL_CASES = [
    (case, language)
    for language in (*LANGUAGES, "dot")
    for case in CASES
    # Sequences and explanations are not drawn in DOT.
    if language != "dot" or not case.startswith(("transition", "explain"))
]


@pytest.mark.parametrize(("case", "language"), ALL_CASES)
def test_diagrams_are_those_of_the_golden_files(machine: Any, case: str, language: str) -> None:
    draw = {**LANGUAGES, "dot": amh.dot}[language]
    text = CASES[case](machine, draw)
    path = GOLDEN / f"{case}.{language}"
    if os.environ.get("AM_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8")
    assert text == CASES[case](machine, draw), "the same input, the same text"


def test_graphviz_reads_what_is_written_for_it() -> None:
    program = shutil.which("dot")
    if program is None:
        pytest.skip("Graphviz is not installed")
    for path in sorted(GOLDEN.glob("*.dot")):
        done = subprocess.run([program, "-Tsvg", path], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), path.name
        assert "</svg>" in done.stdout


def test_marks_show_what_happened_to_states(machine: Any) -> None:
    mach = media(machine)
    text = amh.mermaid(mach, marks={"Style": "called", "media:Label": "added"})
    assert "classDef called" in text
    assert "classDef removed" not in text
    assert "class m0_Label added" in text
    assert "class m0_Style called" in text
    assert "classDef" not in amh.mermaid(mach).partition("classDef unknown")[2]
    with pytest.raises(ValueError, match="called, added"):
        amh.mermaid(mach, marks={"Style": "odd"})  # type: ignore[dict-item]


def test_in_dot_there_are_no_sequences_or_explanations(machine: Any) -> None:
    for thing in (transition(machine, "[add] Style"), told("add", "Ready", ("Idle",))):
        with pytest.raises(TypeError, match="in DOT"):
            amh.dot(thing)


@pytest.mark.parametrize("states", [amh.Basic, amh.Connected, amh.ConnPool, amh.Disposed])
def test_the_guide_shows_every_shipped_schema(states: type[am.States]) -> None:
    page = Path(__file__).parents[2] / "docs" / "schemas.md"
    if not page.exists():
        pytest.skip("the guide is not beside the tests")
    shown = f"### {states.__name__}\n\n```mermaid\n{amh.mermaid(states)}```\n"
    assert shown in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("draw", LANGUAGES.values(), ids=LANGUAGES)
def test_a_thousand_states_are_drawn_within_a_second(draw: Any) -> None:
    names = [f"S{i}" for i in range(1000)]
    schema = am.Schema(
        {
            n: {"require": [names[i - 1]], "remove": names[max(i - 4, 0) : max(i - 1, 0)]}
            for i, n in enumerate(names)
        }
    )
    start = time.thread_time()  # what it takes, whatever else runs beside
    text = draw(schema)
    spent = time.thread_time() - start
    print(f"1000 states: {spent * 1e3:.0f} ms, {len(text)} characters")
    assert spent <= 1
    assert "S999" in text


def test_names_of_states_cannot_be_hostile() -> None:
    for name in ('Fo"o', "Fo\no", "Fo]o", "foo", "Fo o"):
        with pytest.raises(am.SchemaError):
            amh.mermaid({name: {}})


@pytest.mark.parametrize("draw", LANGUAGES.values(), ids=LANGUAGES)
def test_ids_and_tags_are_escaped(machine: Any, draw: Any) -> None:
    text = draw(graph(machine))
    bare = text.replace('\\"', "").replace("\\\\", "")
    assert all(line.count('"') % 2 == 0 for line in bare.splitlines())
    assert "<b>" not in re.sub(r'"[^"]*"', "", bare)
    assert "${" not in bare.replace("\\$", "")


@pytest.mark.parametrize("draw", [*LANGUAGES.values(), amh.dot])
def test_what_cannot_be_printed_is_not_in_a_diagram(machine: Any, draw: Any) -> None:
    text = draw(machine({"Foo": {}}, id="a\x1b[31m\x00b\u202ec", tags=["\x9b1m"]))
    assert all(line.isprintable() for line in text.splitlines())
    assert "\ufffd" in text or "#65533;" in text


def test_options_choose_what_is_shown() -> None:
    text = amh.mermaid(Media, exception=False, start=False, ready=False)
    assert not re.search(r"\"(Exception|Start|Ready)\"", text)
    assert "ErrNetwork" in text
    assert "-->|" not in amh.mermaid(Media, relations=False)
    assert "subgraph" not in amh.mermaid(Media, groups=False)
    only = amh.mermaid(Media, only=("^S",), skip=("Style",))
    assert set(re.findall(r'\["(\w+)"\]$', only, re.M)) == {"Start", "Subgraph", "Look", "Flow"} - {
        "Look"
    }
    with pytest.raises(re.error):
        amh.mermaid(Media, only=("(",))
    with pytest.raises(ValueError, match="grouped"):
        amh.mermaid(Media, pipes="some")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no diagram"):
        amh.mermaid(42)


def test_active_states_and_tags_can_be_hidden(machine: Any) -> None:
    mach = media(machine)
    assert ":::active" in amh.mermaid(mach)
    assert ":::active" not in amh.mermaid(mach, active=False)
    tagged = machine(Media, tags=["colour:blue"])
    assert "colour" in amh.d2(tagged)
    assert "colour" not in amh.d2(tagged, tags=False)


def test_a_transition_without_steps_says_what_to_do(machine: Any, transition_log: Any) -> None:
    machine({"Foo": {}}, tracers=[transition_log]).add("Foo")
    with pytest.raises(ValueError, match=r"sem_log\.steps"):
        amh.mermaid(transition_log.transitions[0])


class TestRender:
    @pytest.fixture
    def program(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Install a stand-in renderer; the body gets the arguments as ``$@``."""

        def install(name: str, body: str) -> None:
            folder = tmp_path / "bin"
            folder.mkdir(exist_ok=True)
            file = folder / name
            file.write_text(f"#!/bin/sh\n{body}\n")
            file.chmod(file.stat().st_mode | stat.S_IEXEC)
            monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")

        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
        return install

    def test_nothing_installed(self, program: Any, tmp_path: Path) -> None:
        for text, name in (
            (amh.mermaid(Media), "mmdc"),
            (amh.d2(Media), "d2"),
            (amh.dot(Media), "dot"),
        ):
            with pytest.raises(amh.RendererMissing, match=name):
                amh.render(text, tmp_path / "x.svg")
        assert not (tmp_path / "x.svg").exists()

    def test_each_language_has_its_program(self, program: Any, tmp_path: Path) -> None:
        program("mmdc", 'cp "$2" "$4"')
        program("d2", 'cp "$1" "$2"')
        for draw in LANGUAGES.values():
            amh.render(draw(Media), tmp_path / "it's; $(x).svg")
            assert (tmp_path / "it's; $(x).svg").read_text() == draw(Media)

    @pytest.mark.parametrize(
        ("body", "fault"),
        [("echo bad syntax >&2; exit 3", "bad syntax"), ("exit 0", "no picture")],
    )
    def test_a_failure_leaves_the_old_picture(
        self, program: Any, tmp_path: Path, body: str, fault: str
    ) -> None:
        program("d2", body)
        (tmp_path / "x.svg").write_text("old")
        with pytest.raises(amh.RenderError, match=fault):
            amh.render(amh.d2(Media), tmp_path / "x.svg")
        assert (tmp_path / "x.svg").read_text() == "old"

    def test_one_that_hangs_is_ended(
        self, program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program("d2", "exec sleep 30")
        monkeypatch.setattr(rendering, "TIME_LIMIT", 0.2)
        with pytest.raises(amh.RenderError, match=r"over 0\.2 s"):
            amh.render(amh.d2(Media), tmp_path / "x.svg")


@pytest.mark.parametrize("group", ["a]b", "o--x", "end", 'quo"te', "x y", "<br>"])
def test_groups_may_have_any_name(group: str) -> None:
    schema = am.Schema({"Foo": am.State(), "Bar": am.State()}, groups={group: ["Foo"]})
    text = amh.mermaid(schema)
    (head,) = (line for line in text.splitlines() if "subgraph" in line)
    assert re.fullmatch(r'  subgraph m0g0\["[^"\]<]*"\]', head.replace("]b", "b")), head
    assert amh.d2(schema)
