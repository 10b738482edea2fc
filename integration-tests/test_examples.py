"""Rules for every example: its layer, its length, its manners, and that it tells its story."""

import ast
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
# Bottom first; the extra that an example needs stands in its script metadata.
STACK = ("am_machine", "am_helpers", "am_rpc", "am_node", "am_pubsub")
# The highest layer that an example may use, and has to use.
LAYERS = {
    "arpc": "am_rpc",
    "asgi": "am_rpc",
    "asyncio_host": "am_helpers",
    "basic": "am_machine",
    "benchmark_rpc": "am_rpc",
    "benchmark_state_source": "am_rpc",
    "browser": "am_rpc",
    "cli": "am_helpers",
    "cli_daemon": "am_rpc",
    "dag": "am_machine",
    "fan_out_in": "am_helpers",
    "fsm": "am_machine",
    "gossip": "am_pubsub",
    "mach_template": "am_rpc",
    "nfa": "am_machine",
    "notebook": "am_helpers",
    "path_watcher": "am_machine",
    "pipes": "am_helpers",
    "raw_strings": "am_machine",
    "relations_playground": "am_machine",
    "repl": "am_rpc",
    "subscriptions": "am_machine",
    "temporal_expense": "am_helpers",
    "temporal_fileprocessing": "am_helpers",
    "tree_state_source": "am_rpc",
    "tui": "am_helpers",
    "worker_pool": "am_node",
}
# What examples may need beside the stack and what the stack needs; each is in its metadata.
OTHERS = {"hypercorn", "nbclient", "nbformat", "rich", "starlette", "textual", "uvicorn"}
# What is needed, and imported by what is imported.
BESIDE = {"nbclient": "ipykernel"}
# What is imported only where it is there, and what comes by another example.
ASKED = {"benchmark_rpc": {"grpcio"}}
REACHED = {"benchmark_state_source": {"am-helpers", "am-machine"}}
MAX_LINES = 150  # of code in an example of one file
PATIENCE = 10.0  # seconds; on a machine of its own an example has five
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/__main__.py"))
PROGRAMS = {
    name: sorted(p for p in (EXAMPLES / name).glob("*.py") if not p.name.startswith("test_"))
    for name in NAMES
}
SINGLE = [
    name for name in NAMES if {p.stem for p in PROGRAMS[name]} == {"__init__", "__main__", "main"}
]


def code_of(path: Path) -> str:
    """The code of a file; of a notebook that of its cells, extensions being imported."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return re.sub(r"^%(?:un)?load_ext ", "import ", code, flags=re.MULTILINE)


def imported(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code_of(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def imports_of(name: str) -> set[str]:
    notebooks = (EXAMPLES / name).glob("*.ipynb")
    return set().union(*map(imported, [*PROGRAMS[name], *notebooks]))


def metadata(name: str) -> dict[str, object]:
    """The inline script metadata of an example's main file."""
    text = (EXAMPLES / name / "main.py").read_text()
    match = re.match(r"# /// script\n((?:#(?: .*)?\n)+?)# ///\n", text)
    assert match is not None, "no script metadata"
    return tomllib.loads(re.sub(r"^# ?", "", match[1], flags=re.MULTILINE))


def requirements(name: str) -> set[str]:
    """Distributions that the script metadata asks for, without extras and versions."""
    asked = metadata(name)["dependencies"]
    assert isinstance(asked, list)
    return {re.split(r"[^A-Za-z0-9_.-]", requirement)[0] for requirement in asked}


def blocks(name: str, language: str) -> list[str]:
    readme = (EXAMPLES / name / "README.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank ones, comments, or docstrings."""
    text = path.read_text()
    quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in quiet:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            assert node.end_lineno is not None
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def offences(path: Path) -> Iterator[str]:
    """What no example may show: catching everything, sleeping until something is so."""
    for node in ast.walk(ast.parse(code_of(path))):
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            if re.search(r"\b(Base)?Exception\b", caught) or not caught:
                yield f"{path.name}:{node.lineno} catches everything"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep":
            yield f"{path.name}:{node.lineno} blocks the thread"
        elif isinstance(node, ast.While):
            asks = re.search(r"\.(is_|not_|any_|done|expired|tick)\b| in ", ast.unparse(node.test))
            if asks and "sleep" in ast.unparse(node):
                yield f"{path.name}:{node.lineno} sleeps where it could wait"


def patience() -> float:
    """Seconds that an example may take: more of them where programs wait for a processor."""
    return PATIENCE * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=patience(),
        check=False,
    )


def test_there_is_an_example_for_each_layer() -> None:
    assert {LAYERS[name] for name in NAMES} == set(STACK)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_needs_its_layer_and_none_above(name: str) -> None:
    used = imports_of(name) & set(STACK)
    assert max(used, key=STACK.index) == LAYERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_caught_or_slept_away(name: str) -> None:
    assert [offence for path in PROGRAMS[name] for offence in offences(path)] == []


@pytest.mark.parametrize("name", SINGLE)
def test_an_example_of_one_file_is_short_and_ends_with_main(name: str) -> None:
    main = EXAMPLES / name / "main.py"
    assert code_lines(main) <= MAX_LINES
    last_definition, guard = ast.parse(main.read_text()).body[-2:]
    assert isinstance(last_definition, ast.FunctionDef)
    assert last_definition.name == "main"
    assert isinstance(guard, ast.If)
    assert (EXAMPLES / name / f"test_{name}.py").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_script_metadata_asks_for_what_is_imported(name: str) -> None:
    used = {module.replace("_", "-") for module in imports_of(name) & set(STACK)}
    used |= REACHED.get(name, set())
    of_others = (imports_of(name) & OTHERS) | ASKED.get(name, set())
    of_others |= {BESIDE[module] for module in of_others & set(BESIDE)}
    assert requirements(name) == used | of_others
    tool = metadata(name)["tool"]
    assert isinstance(tool, dict)
    sources = tool["uv"]["sources"]
    assert set(sources) == used
    for source in sources.values():
        # As members of the workspace are, which come for those below them: else uv has two of one.
        assert source["editable"] is True
        assert (EXAMPLES / name / source["path"] / "pyproject.toml").is_file()


@pytest.mark.parametrize("name", SINGLE)
def test_a_readme_has_its_commands_a_diagram_and_ways_into_the_manual(name: str) -> None:
    commands = "".join(blocks(name, "console")).splitlines()
    assert commands == [f"$ python -m examples.{name}", f"$ uv run examples/{name}/main.py"]
    assert len(blocks(name, "mermaid")) == 1
    assert "](../../docs/manual/" in (EXAMPLES / name / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_each_readme_has_the_command_that_brings_what_is_needed(name: str) -> None:
    assert f"$ uv run examples/{name}/main.py" in "".join(blocks(name, "console"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGLE)
def test_an_example_tells_the_story_of_its_readme(name: str) -> None:
    done = run("-m", f"examples.{name}", cwd=EXAMPLES.parent)
    assert done.stderr == ""
    assert (done.returncode, done.stdout) == (0, blocks(name, "text")[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGLE)
def test_it_runs_as_a_script_from_anywhere_and_being_debugged(name: str, tmp_path: Path) -> None:
    done = run(str(EXAMPLES / name / "main.py"), cwd=tmp_path, AM_DBG_ADDR="1")
    assert (done.returncode, done.stdout) == (0, blocks(name, "text")[0])
    # The exporter that is installed here finds no debugger, which is nothing to tell.
    assert done.stderr == ""


@pytest.mark.nightly
@pytest.mark.parametrize("name", SINGLE)
def test_a_host_that_stands_still_now_and_then_changes_no_story(name: str) -> None:
    chance = random.Random(name)
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-m", f"examples.{name}"],
            cwd=EXAMPLES.parent,
            stdout=subprocess.PIPE,
            text=True,
        ) as program:
            for _ in range(20):
                if program.poll() is None:
                    time.sleep(chance.uniform(0.01, 0.25))  # it gets so far
                    program.send_signal(signal.SIGSTOP)
                    time.sleep(chance.uniform(0.5, 1.2))  # whatever it waits for is overdue then
                    program.send_signal(signal.SIGCONT)
            assert program.communicate(timeout=60)[0] == blocks(name, "text")[0]


def test_bad_manners_are_noticed(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "try:\n    time.sleep(1)\nexcept (OSError, Exception):\n    pass\n"
        "while not mach.is_('Ready'):\n    await_(trio.sleep(1))\n"
        "while True:\n    trio.sleep(1)\n"
    )
    told = [offence.partition(" ")[0] for offence in offences(bad)]
    assert sorted(told) == ["bad.py:2", "bad.py:3", "bad.py:5"]
