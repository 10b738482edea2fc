"""What type checkers find of the mistakes that users make, and what they cannot.

One program is right for both checkers. Each mistake is planted into a copy of it, alone.
"""

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

RIGHT = """
from dataclasses import dataclass

import am_machine as am
import am_node
import am_rpc
from typing_extensions import override

from program_handlers import JobHandlers


@dataclass
class JobArgs:
    path: str
    size: int = 0


class Job(JobHandlers):
    total = 0

    @override
    def WorkingEnter(self, event: am.Event) -> bool:
        return event.args_as(JobArgs).path.endswith(".md")

    @override
    def WorkingState(self, event: am.Event) -> None:
        self.total += event.args_as(JobArgs).size

    @override
    async def DoneState(self, event: am.Event) -> None:
        event.machine.remove("Working")


class JobStates(am.States):
    Working = am.State(args=JobArgs)
    Done = am.State(require=[Working])


async def main() -> None:
    machine = am.Machine(JobStates, handlers=Job(), queue_limit=10)
    machine.add("Working", path="notes.md")
    machine.add(JobStates.Done)
    am_node.Supervisor("jobs:Job", pool=am_node.Pool(max=2))
    async with am_rpc.connect("127.0.0.1:1234", JobStates, timeout=1, id="c") as replica:
        await replica.add("Done")
"""
STATES = """
import am_machine as am


class JobStates(am.States):
    Working = am.State()
    Done = am.State(require=[Working])
"""
# Each with what stands in the right program and what is written instead.
FOUND = {
    "a misspelt state of a schema": ("JobStates.Done)", "JobStates.Doen)"),
    "an unknown field of args": ("(JobArgs).path", "(JobArgs).pth"),
    "a field of args taken for another type": ("(JobArgs).path.", "(JobArgs).size."),
    "a misspelt option of Machine": ("queue_limit=10", "queue_limits=10"),
    "a misspelt option of Pool": ("Pool(max=2)", "Pool(maximum=2)"),
    "a misspelt option of connect": ('id="c"', 'mach_id="c"'),
    "a handler of no state": ("def WorkingState", "def WorkngState"),
    "a handler without its event": (
        "def DoneState(self, event: am.Event) -> None:\n        event.machine.remove",
        "def DoneState(self) -> None:\n        am.Machine({}).remove",
    ),
    "an async vote": ("def WorkingEnter", "async def WorkingEnter"),
    "a vote that is a text": (
        '-> bool:\n        return event.args_as(JobArgs).path.endswith(".md")',
        "-> str:\n        return event.args_as(JobArgs).path",
    ),
}
# Args of a mutation are keywords of any name; a text may be any state's.
MISSED = {
    "a misspelt state as text": ('replica.add("Done")', 'replica.add("Doen")'),
    "a wrong keyword of add": ('path="notes.md"', 'pth="notes.md"'),
}
MISTAKES = FOUND | MISSED


def mypy(folder: Path) -> dict[str, list[str]]:
    # By its whole path: in a cache that others fill as well no other file goes by that name.
    command = (sys.executable, "-m", "mypy", "--strict", str(folder))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return _by_file(re.findall(r"^(\w+)\.py:\d+: error: (.+)", done.stdout, re.MULTILINE))


def basedpyright(folder: Path) -> dict[str, list[str]]:
    command = ("basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    told = json.loads(done.stdout)["generalDiagnostics"]
    return _by_file([(Path(item["file"]).stem, item["message"]) for item in told])


def _by_file(faults: list[tuple[str, str]]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for file, fault in faults:
        found[file].append(fault)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The right program, the wrong ones, and the class that `am-gen` wrote for all of them."""
    path = tmp_path_factory.mktemp("programs")
    (path / "states.py").write_text(STATES)
    command = ("am-gen", "handlers", "states.py:JobStates", "--out", "program_handlers.py")
    subprocess.run(command, cwd=path, check=True, capture_output=True)
    (path / "right.py").write_text(RIGHT)
    for number, (before, after) in enumerate(MISTAKES.values()):
        assert RIGHT.count(before) == 1, before
        (path / f"wrong_{number}.py").write_text(RIGHT.replace(before, after))
    config = {"typeCheckingMode": "standard", "pythonVersion": "3.11"}
    (path / "pyrightconfig.json").write_text(json.dumps(config))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("checker", [mypy, basedpyright])
def test_ten_of_twelve_planted_mistakes_are_found_and_nothing_else(
    checker: Callable[[Path], dict[str, list[str]]], folder: Path
) -> None:
    assert shutil.which("basedpyright"), "run in the environment of `nox -s dev`"
    faults = checker(folder)
    found = {name for n, name in enumerate(MISTAKES) if faults.pop(f"wrong_{n}", None)}
    assert faults == {}
    assert found == set(FOUND)
