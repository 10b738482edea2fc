"""Diagrams: what they show, as text and as files, and the process that draws them."""

from __future__ import annotations

import re
import shutil
import stat
import sys
from typing import TYPE_CHECKING

import pytest
import trio

import am_helpers as amh
import am_machine as am
from am_debugger._derive.pictures import (
    Look,
    Picture,
    graph_picture,
    machine_picture,
    state_picture,
    steps_picture,
)
from am_debugger._derive.steps import Parser
from am_debugger._files.diagrams import drawer as module
from am_debugger._files.diagrams.draw import draw_all, texts_of
from am_debugger._files.diagrams.drawer import Drawer, DrawingError
from am_debugger._files.diagrams.request import (
    Answer,
    Request,
    pack_answer,
    pack_request,
    unpack_answer,
    unpack_request,
)
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..messages import process
from ..recording import Recorder

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = 'w"1"; <b> [x]\n../..'


class DoorStates(am.States):
    """A door with a lock."""

    Locked = am.State(remove=["Open"])
    Open = am.State(require=["Closed"], remove=["Shut"])
    Shut = am.State(auto=True, remove=[Open])
    Closed = am.State()
    Bell = am.State(multi=True)

    class Groups:
        """Sound."""

        Sound = ("Bell",)


def recorded() -> tuple[Store, Parser]:
    """Two machines that are joined by a pipe, one below the other, and what they did."""
    store = Store()
    recorder = Recorder(Link(store, process()))
    parent = am.Machine(DoorStates, id=HOSTILE, tags=["kind:door"])
    child = am.Machine({"Start": {}, "Ringing": {"require": ["Start"]}}, id="child", parent=parent)
    amh.bind(parent, child, "Bell", "Ringing", "Start")
    for machine in (parent, child):
        recorder.bind(machine)
    parent.add("Closed")
    parent.add("Open")
    parent.add("Bell")
    parent.add("Locked")
    recorder.flush()
    return store, Parser(store)


def picture_of(steps: object) -> Picture:
    *_, found = steps  # type: ignore[misc]
    assert isinstance(found, Picture)
    return found


@pytest.fixture(scope="module")
def run() -> tuple[Store, Parser]:
    return recorded()


def graph(store: Store, detail: int, moment: int = 1 << 60) -> Picture:
    return picture_of(graph_picture(store, moment, Look(detail)))


def test_a_graph_shows_parents_and_pipes_and_with_detail_states(
    run: tuple[Store, Parser],
) -> None:
    store, _ = run
    coarse = texts_of(graph(store, 1))[".mmd"]
    assert "child of" in coarse
    assert "2 pipes" in coarse
    assert "Locked" not in coarse
    middle = texts_of(graph(store, 2))[".mmd"]
    assert "Locked" in middle  # is active
    assert "Open" not in middle
    fine = texts_of(graph(store, 3))[".mmd"]
    assert 'm0_Bell -->|"add"| m1_Ringing' in fine
    assert "-->|require|" in fine
    assert "kind:door" in fine


def test_a_graph_is_that_of_the_moment(run: tuple[Store, Parser]) -> None:
    store, _ = run
    door = next(iter(store))
    before = graph(store, 3, door.columns.times.shown[0])
    text = texts_of(before)[".dot"]
    assert re.search(r'label="Closed", fillcolor="#b7e4c7"', text)
    assert not re.search(r'label="Locked", fillcolor', text)
    assert ("child", "dimmed") in before.marks  # its first transition comes later


def test_marks_tell_what_a_transition_did(run: tuple[Store, Parser]) -> None:
    store, parser = run
    door = next(iter(store))
    number = next(
        n for n in range(door.first, door.last + 1) if "Locked" in str(parser.parse(door, n).steps)
    )
    parsed = parser.parse(door, number)
    marks = dict(machine_picture(store, door, number, parsed, Look(3)).marks)
    assert (marks["Locked"], marks["Open"]) == ("added", "removed")
    assert "Bell" not in marks
    for focus, shown in (
        ("called", {"Locked"}),
        ("mutated", {"Locked", "Open"}),
        ("touched", {"Locked", "Open", "Closed"}),
        ("relations", {"Locked", "Open", "Closed", "Shut"}),
    ):
        marks = dict(machine_picture(store, door, number, parsed, Look(3, focus)).marks)
        dimmed = {name for name in door.version.names if marks.get(name) == "dimmed"}
        assert set(door.version.names) - dimmed == shown, focus


def test_a_group_is_hidden_or_only_its_frame(run: tuple[Store, Parser]) -> None:
    store, _ = run
    door = next(iter(store))

    def text(rule: str) -> str:
        look = Look(2, group="Sound", group_rule=rule)
        return texts_of(machine_picture(store, door, door.last, None, look))[".mmd"]

    assert "Sound" in text("")
    assert "m0_Bell" in text("")
    assert "m0_Bell" not in text("hide")
    assert "Sound" not in text("skip")
    assert "m0_Bell" in text("skip")


def test_a_state_is_shown_with_its_neighbours(run: tuple[Store, Parser]) -> None:
    store, _ = run
    door = next(iter(store))
    picture = state_picture(store, door, door.last, None, Look(1), "Locked")
    assert picture is not None
    text = texts_of(picture)[".mmd"]
    assert "m0_Locked" in text
    assert "m0_Shut" in text  # two relations away
    assert "m0_Bell" not in text
    assert state_picture(store, door, door.last, None, Look(1), "Nothing") is None


def test_steps_are_a_sequence(run: tuple[Store, Parser]) -> None:
    store, parser = run
    door = next(iter(store))
    parsed = parser.parse(door, door.last)
    picture = steps_picture(door, parsed)
    assert picture is not None
    texts = texts_of(unpack_request(pack_request(Request("", (picture,)))).pictures[0])
    assert texts[".mmd"] == amh.mermaid(parsed.explanation, steps=True)
    assert texts[".mmd"].startswith("sequenceDiagram")
    assert ".dot" not in texts


def test_requests_and_answers_survive_being_sent(run: tuple[Store, Parser]) -> None:
    store, parser = run
    door = next(iter(store))
    parsed = parser.parse(door, door.last)
    steps = steps_picture(door, parsed)
    assert steps is not None
    made = machine_picture(store, door, door.last, parsed, Look(2, "called", "Sound", "hide"))
    request = Request("/tmp/x", (graph(store, 2), made, steps), True)
    assert unpack_request(pack_request(request)) == request
    answer = Answer(("a", "b"), ("c",))
    assert unpack_answer(pack_answer(answer)) == answer


def test_files_are_private_and_pictures_need_an_installed_program(
    run: tuple[Store, Parser], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = run
    request = Request(str(tmp_path), (graph(store, 3),), True)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    (tmp_path / "diagrams").mkdir()
    (tmp_path / "diagrams" / "graph.svg").write_text("of another moment")
    answer = draw_all(request)
    assert answer == Answer(("graph.md", "diagrams/graph.mmd", "diagrams/graph.d2"), ())
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == set(answer.written)
    assert all(stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600 for name in found)
    assert "**active**" in (tmp_path / "graph.md").read_text()


def test_a_program_that_fails_leaves_no_stale_picture(
    run: tuple[Store, Parser], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = run
    programs = tmp_path / "bin"
    programs.mkdir()
    dot = programs / "dot"
    dot.write_text("#!/bin/sh\necho no memory >&2\nexit 3\n")
    dot.chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")
    folder = tmp_path / "diagrams"
    folder.mkdir()
    (folder / "graph.svg").write_text("of another moment")
    answer = draw_all(Request(str(tmp_path), (graph(store, 1),)))
    assert "no memory" in answer.faults[0]
    assert {path.name for path in folder.iterdir()} == {"graph.mmd", "graph.d2"}


@pytest.mark.process
@pytest.mark.trio
async def test_a_process_draws_and_ends_with_its_owner(
    run: tuple[Store, Parser], tmp_path: Path
) -> None:
    store, _ = run
    async with Drawer() as drawer:
        answer = await drawer.draw(Request(str(tmp_path), (graph(store, 1),)))
        assert "diagrams/graph.mmd" in answer.written
        assert ("diagrams/graph.svg" in answer.written) is bool(shutil.which("dot"))
        process = drawer._process
        assert process is not None
        again = await drawer.draw(Request(str(tmp_path / "no" / "\0"), (graph(store, 1),)))
        assert again.faults
        assert drawer._process is process
    assert process.returncode is not None
    with pytest.raises(DrawingError):
        await drawer.draw(Request(str(tmp_path), ()))


@pytest.mark.process
@pytest.mark.trio
async def test_a_process_that_hangs_or_dies_is_replaced(
    run: tuple[Store, Parser], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = run
    request = Request(str(tmp_path), (graph(store, 1),))
    usual = module._COMMAND
    async with Drawer(time_limit=0.2) as drawer:
        monkeypatch.setattr(
            module, "_COMMAND", (sys.executable, "-c", "import time; time.sleep(99)")
        )
        with pytest.raises(DrawingError, match="took over"):
            await drawer.draw(request)
        monkeypatch.setattr(module, "_COMMAND", (sys.executable, "-c", "pass"))
        drawer._time_limit = 60
        with pytest.raises(DrawingError, match="ended"):
            await drawer.draw(request)
        monkeypatch.setattr(
            module, "_COMMAND", (sys.executable, "-c", "import time; time.sleep(99)")
        )
        with trio.move_on_after(0.1) as scope:
            await drawer.draw(request)
        assert scope.cancelled_caught
        assert drawer._process is None
        monkeypatch.setattr(module, "_COMMAND", usual)
        assert (await drawer.draw(request)).written
