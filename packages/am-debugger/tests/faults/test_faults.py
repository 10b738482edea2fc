"""From the symptom to the cause: one key on the screen, one command on a dump."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from am_debugger._cli.main import main
from am_debugger._core import linting
from am_debugger._files.dump_writer import write_dump
from am_debugger._ui.facts_panel import FactsPanel

from ..lints.runs import Recording
from ..messages import process
from ..ui.driving import drive, press
from .programs import FAULTS, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.store import Store
    from am_debugger._ui.app import DebuggerApp

EACH = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


@EACH
def test_one_key_leads_from_the_symptom_to_the_cause(
    tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linting, "INTERVAL", 0.02)

    def fill(store: Store) -> None:
        recording = Recording()
        recording.store = recording.link.store = store
        fault.play(recording)
        recording.flush()

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        while debugger.lints.rounds < 2:
            await pilot.pause(0.02)
        # What a user has done who sees the symptom: the machine, and the state, are chosen.
        machine.add("SelectingClient", client=fault.machine)
        machine.add("StateNameSelected", state=fault.state)
        await press(pilot, "exclamation_mark" if fault.is_lint else "alt+w")
        told = "\n".join([row for row, _ in app.query_one(FactsPanel)._rows])
        for word in fault.cause:
            assert word in told, told
        assert machine.is_("FactsPage")

    drive(tmp_path, body, fill=fill, size=(200, 60))


@EACH
def test_one_command_leads_from_the_symptom_to_the_cause(
    tmp_path: Path, fault: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = Recording()
    fault.play(recording)
    path = str(tmp_path / "run.amdbg.gz")
    list(write_dump(recording.end(), tmp_path / "run.amdbg.gz", process("writer")))
    if fault.is_lint:
        assert main(["lint", path]) == 1
    else:
        assert main(["why", path, f"mach://{fault.machine}", fault.state]) == 0
    told = capsys.readouterr().out
    for word in fault.cause:
        assert word in told, told
    # Each line that names a transition has an address, and they lead there.
    addresses = {word for word in told.split() if word.startswith("mach://")}
    assert addresses
    for address in addresses:
        assert main(["inspect", path, "--where", "n>0"]) == 0
        assert address.partition("?")[0] in capsys.readouterr().out


def test_the_queue_that_never_drains_looks_wrong_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (fault,) = [one for one in FAULTS if one.name == "a_queue_that_never_drains"]
    recording = Recording()
    fault.play(recording)
    path = tmp_path / "run.amdbg.gz"
    list(write_dump(recording.end(), path, process("writer")))
    assert main(["lint", str(path)]) == 1
    told = capsys.readouterr().out
    assert told.startswith("growing-queue: dispatcher: 62 mutations wait in the queue")
    assert "each transition adds more than one: last add Job" in told
