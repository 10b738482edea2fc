"""`am-dbg why`, `diff` and `test`: what recorded runs tell."""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import am_helpers as amh
import am_machine as am
from am_debugger._cli.main import main
from am_debugger._derive.url import MachineUrl
from am_debugger._files.dump_writer import write_dump
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import Exporter
from ..messages import process
from ..recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

# A program of two machines, one below the other and joined by a pipe; it can go wrong at a step.
PROGRAM = """
import random
import sys
from pathlib import Path

import am_helpers as amh
import am_machine as am
from am_telemetry.dbg import DbgWriter

path, seed, fault, suffix = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
names = [f"S{k}" for k in range(12)]
states = {
    name: {"require": names[k - 1 : k] * (k % 3 == 2), "remove": names[k - 2 : k - 1] * (k > 2)}
    for k, name in enumerate(names)
}
boss = am.Machine(states, id="boss")
child = am.Machine(states, id=f"child-{suffix}", parent=boss, tags=["kind:child"])
for name in set(names):
    amh.bind_add(boss, child, name)
rng = random.Random(seed)
with DbgWriter(path) as writer:
    for machine in (boss, child):
        writer.bind(machine)
    for step in range(200):
        called = rng.sample(names, 2)
        if step == fault:
            called = called[:1]
        getattr(boss, rng.choice(["add", "remove"]))(*called)
"""


def run_program(folder: Path, name: str, fault: int, suffix: str, hash_seed: str) -> str:
    path = folder / name
    arguments = [str(path), "7", str(fault), suffix]
    command = [sys.executable, "-c", PROGRAM, *arguments]
    subprocess.run(command, check=True, timeout=60, env={"PYTHONHASHSEED": hash_seed})
    return str(path)


@pytest.mark.process
def test_two_runs_of_one_program_are_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = run_program(tmp_path, "a.amdbg.gz", -1, "3f", "1")
    b = run_program(tmp_path, "b.amdbg.gz", -1, "9c", "2")
    assert main(["diff", a, b]) == 0
    assert capsys.readouterr().out == "2 machines alike, 0 differ\n"


@pytest.mark.process
def test_the_first_transition_that_differs_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = run_program(tmp_path, "a.amdbg.gz", -1, "3f", "1")
    b = run_program(tmp_path, "b.amdbg.gz", 120, "9c", "2")
    assert main(["diff", a, b]) == 1
    out = capsys.readouterr().out
    boss = next(line for line in out.splitlines() if line.startswith("boss: part"))
    assert boss == "boss: part at transition 121 / 121"
    assert "(child-9c in B)" in out or "1 machines alike" in out
    sides = re.findall(r"^  ([AB]) \S+ boss/121 \[(\w+ [\w ]+)\]", out, flags=re.M)
    (_, one), (_, other) = sides
    assert one.startswith(other)  # the second state was left out
    assert out.splitlines()[0] == boss
    assert "boss/118" in out
    assert re.search(r"^    active in both: S\d", out, flags=re.M)
    # The one that parts later was led there by the other.
    assert "      from boss" in out or "1 machines alike" in out


def test_a_machine_that_only_one_run_has_is_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for count in (1, 2):
        store = Store()
        recorder = Recorder(Link(store, process()))
        machines = [am.Machine({"Foo": {}}, id=f"m{k}") for k in range(count)]
        for machine in machines:
            recorder.bind(machine)
            machine.add("Foo")
        machines[0].remove("Foo")
        recorder.flush()
        paths.append(str(tmp_path / f"{count}.amdbg.gz"))
        list(write_dump(store, Path(paths[-1]), process("writer")))
    assert main(["diff", *paths]) == 1
    assert "m1: only in B, with 1 transitions" in capsys.readouterr().out
    assert main(["diff", *reversed(paths)]) == 1
    assert "m1: only in A" in capsys.readouterr().out
    assert main(["diff", paths[0], paths[0]]) == 0
    assert main(["diff", paths[0], str(tmp_path / "none")]) == 4


# ---------------------------------------------------------------------- why


def test_why_goes_back_over_machines_to_the_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store()
    recorder = Recorder(Link(store, process()))
    row = [am.Machine({"Up": {"require": ["Power"]}, "Power": {}}, id=f"w{k}") for k in range(3)]
    for one, other in itertools.pairwise(row):
        amh.bind_add(one, other, "Up")
    for machine in row:
        recorder.bind(machine)
    for machine in row[:2]:
        machine.add("Power")
    row[0].add("Up")
    recorder.flush()
    path = str(tmp_path / "row.amdbg.gz")
    list(write_dump(store, Path(path), process("writer")))

    def asked(id: str, state: str) -> str:
        client = store.get(id)
        assert client is not None
        url = str(MachineUrl(id, client.columns.id_of(client.last)))
        assert main(["why", path, url, state]) == 0
        return capsys.readouterr().out

    told = asked("w1", "Up")
    assert told.index("w1/2 add Up") < told.index("w0/2 add Up")
    # Without a moment it is the last one.
    assert main(["why", path, "mach://w1", "Up"]) == 0
    assert capsys.readouterr().out == told
    told = asked("w2", "Up")
    assert "Up is inactive" in told
    assert "requires Power, which is inactive" in told
    assert "last refused in transition 1" in told
    url = "mach://w0"
    assert main(["why", path, url, "Nothing"]) == 2
    assert "no state Nothing" in capsys.readouterr().err


# ---------------------------------------------------------------------- test

CASES = int(os.environ.get("AM_DBG_TEST_CASES", "8"))
"""Random machines; 50 in a night."""
MODULE = '''
import random
from typing import Any

import am_machine as am

NAMES = [f"S{k}" for k in range(8)]


class Handlers:
    """Some votes and follow-ups, by the numbers of states."""

    def AnyEnter(self, event: am.Event) -> bool:
        return not {"S1", "S6"} <= set(event.transition.called)

    def S2State(self, event: am.Event) -> None:
        event.machine.add("S3", id=event.machine.tick("S2"))

    def S4End(self, event: am.Event) -> None:
        event.machine.remove("S5")


def states(seed: int) -> dict[str, dict[str, Any]]:
    rng = random.Random(seed)
    found: dict[str, dict[str, Any]] = {}
    for name in NAMES:
        state: dict[str, Any] = {"multi": rng.random() < 0.2, "auto": rng.random() < 0.1}
        for other in NAMES:
            if other != name and rng.random() < 0.2:
                relation = rng.choice(["require", "add", "remove"])
                state[relation] = [*state.get(relation, []), other]
        found[name] = state
    return found


SEED = 0


def make() -> am.Machine:
    return am.Machine(states(SEED), id="worker", handlers=Handlers())
'''


def recorded(folder: Path, seed: int) -> str:
    """A random machine with handlers, and what happened to it, as a dump beside its program."""
    source = MODULE.replace("SEED = 0", f"SEED = {seed}")
    (folder / "program.py").write_text(source)
    namespace: dict[str, Any] = {}
    exec(compile(source, "program", "exec"), namespace)
    make: Callable[[], am.Machine] = namespace["make"]
    machine = make()
    store = Store()
    recorder = Recorder(Link(store, process()))
    recorder.bind(machine)
    rng = random.Random(seed)
    for k in range(60):
        called = rng.sample(namespace["NAMES"], rng.randint(1, 2))
        kind = rng.choice(["add", "add", "add", "remove", "set"])
        args = {"id": k, "name": 'it\'s "x"\n\u00e9'} if rng.random() < 0.3 else {}
        getattr(machine, kind)(*called, **args)
    recorder.flush()
    path = folder / "run.amdbg.gz"
    list(write_dump(store, path, process("writer")))
    return str(path)


def run_test(file: Path) -> str:
    """Run a written test as pytest does, in this process; what went wrong, if anything."""
    namespace: dict[str, Any] = {"__name__": file.stem}
    sys.path.insert(0, str(file.parent))
    sys.modules.pop("program", None)
    try:
        exec(compile(file.read_text(), str(file), "exec"), namespace)
        namespace["test_the_same_mutations_lead_to_the_same_clocks"]()
    except AssertionError as exc:
        return f"failed: {exc}"
    finally:
        sys.path.remove(str(file.parent))
        sys.modules.pop("program", None)
    return ""


def test_a_recorded_machine_becomes_a_test_that_its_code_passes_and_another_does_not(
    tmp_path: Path,
) -> None:
    caught = 0
    for seed in range(CASES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        dump = recorded(folder, seed)
        file = folder / "test_worker.py"
        make = ["--make", "program:make"]
        assert main(["test", dump, "--machine", "worker", *make, "-o", str(file)]) == 0
        assert run_test(file) == "", seed
        program = folder / "program.py"
        source = program.read_text()
        program.write_text(source.replace('{"S1", "S6"} <=', '{"S0"} <='))
        caught += run_test(file) != ""
    assert caught == CASES
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", "--line-length=100"]
    written = sorted(tmp_path.glob("*/test_worker.py"))
    assert len(written) == CASES
    done = subprocess.run([*ruff, *written], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_written_is_formatted_and_typed(tmp_path: Path) -> None:
    dump = recorded(tmp_path, 3)
    files = [tmp_path / "test_made.py", tmp_path / "test_schema.py"]
    for file, more in zip(files, (["--make", "program:make"], []), strict=True):
        assert main(["test", dump, "--machine", "worker", *more, "-o", str(file)]) == 0
    ruff = [sys.executable, "-m", "ruff"]
    for command in (
        [*ruff, "format", "--check", "--isolated", "--line-length=100", *files],
        [*ruff, "check", "--isolated", "--line-length=100", "--select=E,F,I,W", *files],
        [sys.executable, "-m", "mypy", "--strict", *files],
    ):
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_argument_that_a_state_needs_and_nobody_logged_skips_the_test_and_is_named(
    tmp_path: Path,
) -> None:
    program = tmp_path / "program.py"
    program.write_text(NEEDS_ARGS)
    namespace: dict[str, Any] = {"__name__": "program"}
    sys.modules["program"] = ModuleType("program")
    exec(compile(NEEDS_ARGS, "program", "exec"), namespace)
    machine = namespace["make"]()
    store = Store()
    recorder = Recorder(Link(store, process()))
    recorder.bind(machine)
    machine.add("Ordered", amount=3, id=4)
    recorder.flush()
    path = tmp_path / "run.amdbg.gz"
    list(write_dump(store, path, process("writer")))
    file = tmp_path / "test_made.py"
    make = ["--make", "program:make", "-o", str(file)]
    assert main(["test", str(path), "--machine", "shop", *make]) == 0
    with pytest.raises(pytest.skip.Exception, match="not recorded: missing args amount"):
        run_test(file)
    # Where the program can do without, the test runs, and can fail.
    program.write_text(NEEDS_ARGS.replace("amount: int", "amount: int = 1"))
    assert run_test(file) == ""
    vetoes = "class V:\n    def OrderedEnter(self, event):\n        return False\n\n\ndef make"
    changed = NEEDS_ARGS.replace("amount: int", "amount: int = 1").replace("def make", vetoes)
    program.write_text(changed.replace('id="shop"', 'id="shop", handlers=V()'))
    assert run_test(file).startswith("failed")


NEEDS_ARGS = """
from dataclasses import dataclass

import am_machine as am


@dataclass
class OrderArgs:
    amount: int
    id: int = 0


class ShopStates(am.States):
    Ordered = am.State(multi=True, args=OrderArgs)


def make() -> am.Machine:
    return am.Machine(ShopStates, id="shop")
"""


def test_without_the_program_the_test_has_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store()
    recorder = Recorder(Link(store, process()))
    states = {"A": {"require": ["B"]}, "B": {"multi": True}, "C": {"auto": True, "remove": ["A"]}}
    machine = am.Machine(states, id='w "1"')
    recorder.bind(machine)
    for called in ("A", "B", "A", "C", "B"):
        machine.add(called)
    recorder.flush()
    path = tmp_path / "run.amdbg.gz"
    list(write_dump(store, path, process("writer")))
    assert main(["test", str(path), "--machine", 'w "1"']) == 0
    file = tmp_path / "test_alone.py"
    file.write_text(capsys.readouterr().out)
    assert run_test(file) == ""
    file.write_text(file.read_text().replace('"A": {"require": ["B"]}', '"A": {}'))
    assert run_test(file).startswith("failed")


def test_what_was_not_recorded_whole_is_told_and_the_test_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store()
    exporter = Exporter(Link(store, process()), "w")
    exporter.do([0], {0: 1}, args={"name": "\u2026of a long one"})
    path = tmp_path / "run.amdbg.gz"
    list(write_dump(store, path, process("writer")))
    assert main(["test", str(path), "--machine", "w"]) == 0
    out, err = capsys.readouterr()
    assert "argument name of transition 1" in err
    assert '@pytest.mark.skip(reason="of argument name of transition 1' in out
    assert main(["test", str(path), "--machine", "v"]) == 2
    assert main(["test", str(path), "--machine", "w", "--make", "os.system('x')"]) == 2
