"""Why, over processes: from a worker over its supervisor to the program that asked, and why a
worker is gone; in a real pool, by the links of the text and of the screen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import pytest

from .debuggers import AM_DBG, collector, dumps, environ_for, inspect, wait_for_dump
from .terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]

WORKER = """
    import os, signal
    import am_node

    class Doubler(am_node.Worker):
        def work(self, input):
            if input == 13:
                os.kill(os.getpid(), signal.SIGKILL)
            return 2 * input
"""
PROGRAM = """
    import trio
    import am_helpers as amh
    import am_machine as am
    import am_node
    from doubler import Doubler

    class AppStates(am.States):
        Start = am.State()
        Asked = am.State(multi=True)
        Answered = am.State(multi=True)
        ErrAsk = am.State(require=["Exception"], multi=True)

    class App:
        def __init__(self, client):
            self.client = client

        async def AskedState(self, event):
            try:
                await self.client.work(input=event.mutation.args["input"], attempts=1)
            except am_node.NodeError as exc:
                event.machine.add_err("ErrAsk", exc)
            else:
                event.machine.add("Answered")

    async def main():
        async with am_node.open_pool(Doubler, workers=2) as client:
            app = am.Machine(AppStates, id="app", handlers=App(client))
            amh.debug_env(app)
            async with app:
                app.add("Start")
                app.add("Asked", input=4)
                with trio.fail_after(60):
                    await app.when("Answered")
                # What is killed has told all that is older than a second.
                await trio.sleep(1.5)
                app.add("Asked", input=13)
                with trio.fail_after(60):
                    await app.when("ErrAsk")

    if __name__ == "__main__":
        trio.run(main)
"""


class Recorded(NamedTuple):
    """A dump of a run, and what the program said."""

    dump: Path
    said: str


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A program that asks a pool for two things; the second one kills the worker."""
    folder = tmp_path_factory.mktemp("why")
    (folder / "doubler.py").write_text(textwrap.dedent(WORKER))
    (folder / "program.py").write_text(textwrap.dedent(PROGRAM))
    (folder / "run").mkdir(mode=0o700)
    with collector(folder, "--rotate-every", "0.0005"):
        environ = {
            **os.environ,
            "AM_DBG_ADDR": f"unix:{folder / 'a'}",
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        last = wait_for_dump(folder, newer_than=dumps(folder)[-1] if dumps(folder) else None)
        last = wait_for_dump(folder, newer_than=last)  # begun when all was over
    return Recorded(last, done.stderr)


def am_dbg(*argv: str) -> tuple[int, str]:
    """Exit code and text of a command."""
    done = subprocess.run([*AM_DBG, *argv], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


def served(dump: Path) -> str:
    """The address at which a worker was told to serve the client."""
    lines = [line for line in inspect(dump, "--where", "+ServeClient id:nw-*") if "mach://" in line]
    assert lines
    return lines[0].split()[-1]


def test_the_chain_leads_from_the_worker_over_the_supervisor_to_the_program(
    recorded: Recorded,
) -> None:
    dump = str(recorded.dump)
    _, told = am_dbg("why", dump, served(recorded.dump), "ServeClient")
    chain = [line.split() for line in told.splitlines()]
    kinds = [re.split(r"[-/]", words[1])[0] for words in chain if words[0] == "by"]
    assert kinds[0] == "nw"
    assert kinds[-2:] == ["ns", "app"]
    # Three processes, as the dump has them.
    machines = {words[1].partition("/")[0] for words in chain if words[0] == "by"}
    assert len(machines) == 3
    # Each link leads on: what is asked there goes back to the same origin.
    for words in chain:
        address, state = words[-1], words[3]
        if words[0] == "by":
            _, more = am_dbg("why", dump, address, state)
            assert "by app/2 add Asked" in more, words
            assert am_dbg("inspect", dump, "--where", f"id:{words[1].partition('/')[0]}")[0] == 0


def test_the_text_names_the_end_of_the_worker_as_the_cause(recorded: Recorded) -> None:
    dump = str(recorded.dump)
    code, told = am_dbg("lint", dump)
    assert code == 1
    assert told.startswith("unhandled: app: Exception of ErrAsk stays active")
    assert "WorkerLost" in told
    assert "ended by SIGKILL" in told
    _, told = am_dbg("why", dump, "mach://app", "ErrAsk")
    first, *chain = told.splitlines()
    assert first.startswith("ErrAsk is active since transition")
    assert "ended by SIGKILL" in chain[0]
    assert re.fullmatch(r"  by app/\d+ add Asked mach://app/\w{16}", chain[1])
    # The supervisor says the same, and which worker it was.
    line = next(one for one in inspect(recorded.dump, "--where", "+ErrWorker") if "mach://" in one)
    _, told = am_dbg("why", dump, line.split()[-1], "ErrWorker")
    (killed,) = set(re.findall(r"worker (nw-\S+): ended by SIGKILL", told))
    assert f"worker {killed}" in recorded.said


def test_links_of_the_screen_lead_through_the_processes(recorded: Recorded, tmp_path: Path) -> None:
    url = f"{served(recorded.dump)}?state=ServeClient"
    argv = (url, "-i", str(recorded.dump), "-l", f"unix:{tmp_path / 'dbg'}", "--no-tail")
    assert environ_for(tmp_path)
    with Terminal(tmp_path, *argv) as terminal:
        terminal.until_found(r"mach://nw-\S+")
        terminal.press("M-w")
        shown = terminal.until("Why: ServeClient")
        rows = [line for line in shown.splitlines() if re.search(r"\bby (nw|ns|app)\b", line)]
        to_supervisor = next(k for k, line in enumerate(rows) if "by ns-" in line)
        terminal.press(*["Down"] * (to_supervisor + 1), "Enter")
        terminal.until_found(r"mach://ns-\S+")
        terminal.press("M-w")
        terminal.until("by app/2 add Asked")
        terminal.press("Down", "Down", "Enter")
        terminal.until_found(r"mach://app/\S+")
        terminal.press("C-q")
        terminal.assert_sane(0)
