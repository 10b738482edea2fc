"""What a notebook shows of schemas, machines, graphs, transitions and explanations."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING, Any

import pytest

import am_helpers as amh
import am_machine as am
from am_helpers._notebook.pictures import MERMAID, bundle_of

if TYPE_CHECKING:
    from pathlib import Path


class Door(am.States):
    Open = am.State(remove=["Shut"], auto=True)
    Shut = am.State(remove=[Open], require=["Hinge"])
    Hinge = am.State(multi=True)


@pytest.fixture
def no_renderer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


@pytest.mark.usefixtures("no_renderer")
def test_a_schema_is_mermaid_and_a_table() -> None:
    for obj in (Door, Door.schema()):
        shown = bundle_of(obj)
        assert shown is not None
        assert set(shown) == {"text/plain", MERMAID, "text/html"}
        assert shown[MERMAID] == amh.mermaid(obj)
        row = "<tr><td>Shut</td><td></td><td>require Hinge; remove Open</td></tr>"
        assert row in shown["text/html"]


@pytest.mark.usefixtures("no_renderer")
def test_a_machine_shows_what_is_active_and_escapes_its_id(machine: Any) -> None:
    mach = machine(Door, id="<front> door")
    mach.add("Hinge")
    shown = bundle_of(mach)
    assert shown is not None
    assert shown["text/plain"] == str(mach)
    assert "<caption>&lt;front&gt; door</caption>" in shown["text/html"]
    assert "<tr><td><b>Hinge</b></td><td>active multi</td><td></td></tr>" in shown["text/html"]


@pytest.mark.usefixtures("no_renderer")
def test_a_graph_is_a_table_for_each_machine(machine: Any) -> None:
    pytest.importorskip("networkx")
    graph = amh.Graph.from_machines(machine(Door, id="one"), machine(Door, id="two"))
    shown = bundle_of(graph)
    assert shown is not None
    assert shown["text/html"].count("<table>") == 2


@pytest.mark.usefixtures("no_renderer")
def test_a_transition_is_its_steps_and_without_any_it_is_text(
    machine: Any, transition_log: Any
) -> None:
    mach = machine(Door, tracers=[transition_log])
    mach.add("Hinge")
    assert bundle_of(transition_log.transitions[0]) is None
    mach.sem_log.steps = True
    mach.add("Shut")
    shown = bundle_of(transition_log.transitions[-1])
    assert shown is not None
    assert shown[MERMAID].startswith("sequenceDiagram")
    assert "<th>step</th>" in shown["text/html"]


@pytest.mark.usefixtures("no_renderer")
def test_an_explanation_is_its_reasons_states_and_handlers(machine: Any) -> None:
    mach = machine(Door, handlers={"HingeState": lambda event: None})
    shown = bundle_of(mach.explain("Shut"))
    assert shown is not None
    assert shown["text/plain"] == "Shut was dropped: it requires Hinge, which is inactive"
    assert shown[MERMAID] == amh.mermaid(mach.explain("Shut"))
    assert "<caption>add Shut: refused</caption>" in shown["text/html"]
    assert "<tr><td>Shut</td><td>dropped</td></tr>" in shown["text/html"]
    assert "<li>Shut was dropped: it requires Hinge" in shown["text/html"]
    assert "<ol>" not in shown["text/html"]
    accepted = bundle_of(mach.explain("Hinge"))
    assert accepted is not None
    assert "<p>handlers in order:</p><ol><li>HingeState</li></ol>" in accepted["text/html"]


def test_an_installed_renderer_makes_the_picture_and_one_that_fails_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "d2"
    program.write_text("#!/bin/sh\necho '<svg>drawn</svg>' > \"$2\"\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    shown = bundle_of(Door)
    assert shown is not None
    assert shown["image/svg+xml"] == "<svg>drawn</svg>\n"
    program.write_text("#!/bin/sh\nexit 1\n")
    shown = bundle_of(Door)
    assert shown is not None
    assert "text/html" in shown
    assert "image/svg+xml" not in shown


CELLS = [
    "%load_ext am_helpers",
    "import am_machine as am\nimport am_helpers as amh",
    "amh.Connected",
    "amh.Connected.schema()",
    "machine = am.Machine({'Foo': {}}, id='m')\nmachine.add('Foo')\nmachine",
    "amh.Graph.from_machines(machine)",
    "machine.explain('Foo', kind='remove')",
    "%unload_ext am_helpers\nmachine",
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what a kernel's client warns of is not ours
def test_a_real_notebook_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    cells = [nbformat.v4.new_code_cell(code) for code in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, timeout=30, kernel_name="python3")
    asyncio.run(client.async_execute())
    shown = [cell.outputs[0]["data"] if cell.outputs else {} for cell in notebook.cells]
    assert all(MERMAID in data for data in shown[2:7]), shown
    assert "m0_Foo" in shown[4][MERMAID]
    assert "remove Foo: accepted" in shown[6][MERMAID]
    assert set(shown[7]) == {"text/plain"}
