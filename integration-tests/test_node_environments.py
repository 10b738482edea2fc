"""Pools in odd surroundings: each works, or says in one line what to do, and never multiplies.

One program with a pool of one worker is started in many ways; its result goes to a file, since some
have no stdout. Another thread counts the processes that carry the mark of the test.
"""

import os
import shutil
import subprocess
import sys
import threading
import zipapp
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# What the fixtures of these tests put into the environment of each of its processes.
MARK = "AM_TEST_RUN"

pytestmark = pytest.mark.process

SQUARER = """\
import am_node

class Squarer(am_node.Worker):
    def work(self, input):
        return input ** 2
"""
APP = """\
import sys
import am_node
from squarer import Squarer

def main():
    with am_node.blocking(Squarer, workers=1) as pool:
        total = sum(result for _, result in pool.map({"input": n} for n in range(5)))
    with open(sys.argv[1], "a") as file:
        file.write(f"{total} {sys.flags.optimize}")

if __name__ == "__main__":
    main()
"""
# What the worker knows of its interpreter: its flags, and what becomes of a warning of a user.
TELLING = (
    'f"{sys.flags.optimize} {sys.flags.dev_mode} {sys.flags.int_max_str_digits} "'
    " + next(f[0] for f in warnings.filters if issubclass(UserWarning, f[2]))"
)
HERE = APP.replace("from squarer import Squarer\n", SQUARER.partition("\n\n")[2])
UNGUARDED = HERE.replace('if __name__ == "__main__":\n    main()', "main()")
ADVICE = 'put these lines under `if __name__ == "__main__":`'
# A program that is its own interpreter, as far as it can tell, like those that PyInstaller makes.
FROZEN = f"""\
#!{sys.executable}
import os, sys
sys.frozen, sys.executable = True, os.path.abspath(__file__)
{HERE}"""
PYTHON = sys.executable
Command = list[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "squarer.py").write_text(SQUARER)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def _marked() -> set[str]:
    """The numbers of the processes of this test, this one left out."""
    mark = f"{MARK}={os.environ[MARK]}".encode()
    found = set()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes():
                found.add(environ.parent.name)
        except OSError:  # gone meanwhile, or another user's
            continue
    return found - {str(os.getpid())}


@contextmanager
def _at_most(processes: int) -> Iterator[None]:
    """Look at the processes while the block runs.

    One counts if two looks in a row saw it. `import trio` runs `ldconfig`, which looks like another
    copy of its parent until it has replaced the memory that the two share.
    """
    over, most = threading.Event(), 0

    def look() -> None:
        nonlocal most
        before: set[str] = set()
        while not over.wait(0.1):
            now = _marked()
            most = max(most, len(now & before))
            before = now

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
    assert most <= processes, f"{most} processes"


def _start(
    folder: Path, command: Command, *, text: str = "", processes: int = 2, timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    with _at_most(processes):
        return subprocess.run(
            command, cwd=folder, input=text, capture_output=True, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip


def _sh(script: str) -> Callable[[Path, str], Command]:
    """A shell that becomes the program, with the program and the file for the result as $1, $2."""
    return lambda folder, out: ["sh", "-c", script, "sh", str(folder / "app.py"), out]


def _unprivileged(script: str) -> Callable[[Path, str], Command]:
    """The same, without the right of root to open whatever it likes."""
    if os.getuid() or shutil.which("setpriv") is None:
        return _sh(script)
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    return lambda folder, out: drop + _sh(script)(folder, out)


WORKING = {
    "-OO": lambda folder, out: [PYTHON, "-OO", "app.py", out],
    "-c": lambda folder, out: [PYTHON, "-c", APP, out],
    "-m": lambda folder, out: [PYTHON, "-m", "app", out],
    "no terminal": lambda folder, out: ["setsid", "-w", PYTHON, "app.py", out],
    "closed descriptors": _sh(f'exec {PYTHON} "$1" "$2" <&- >&- 2>&-'),
    "a folder that is gone": _sh(f'mkdir gone; cd gone; rmdir ../gone; exec {PYTHON} "$1" "$2"'),
    "an old locale": _sh(
        "unset LANG LC_CTYPE; "
        f'LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 exec {PYTHON} "$1" "$2"'
    ),
    "a mask that takes all": _unprivileged(f'touch "$2"; umask 777; exec {PYTHON} -B "$1" "$2"'),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("way", WORKING)
def test_a_pool_works(folder: Path, way: str) -> None:
    out = folder / "out"
    done = _start(folder, WORKING[way](folder, str(out)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert out.read_text() == ("30 2" if way == "-OO" else "30 0")


@pytest.mark.slow
def test_workers_run_with_the_options_of_their_program(folder: Path) -> None:
    (folder / "squarer.py").write_text(
        "import sys, warnings\n" + SQUARER.replace("input ** 2", TELLING)
    )
    (folder / "app.py").write_text(APP.replace("total = sum(result", "total = set(result"))
    options = ["-O", "-W", "error::UserWarning", "-X", "dev", "-X", "int_max_str_digits=5000"]
    done = _start(folder, [PYTHON, *options, "app.py", "out"])
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "out").read_text() == "{'1 True 5000 error'} 1"


@pytest.mark.slow
def test_a_pool_works_as_a_program_from_stdin_and_in_an_archive(folder: Path) -> None:
    done = _start(folder, [PYTHON, "-", "out"], text=APP)
    assert (done.returncode, done.stderr) == (0, "")
    packed = folder / "packed"
    packed.mkdir()
    (folder / "squarer.py").rename(packed / "squarer.py")
    (folder / "app.py").rename(packed / "__main__.py")
    zipapp.create_archive(packed, folder / "app.pyz")
    shutil.rmtree(packed)
    done = _start(folder, [PYTHON, "app.pyz", "out"])
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "out").read_text() == "30 030 0"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="name spaces are Linux's")
def test_a_pool_works_as_process_1(folder: Path) -> None:
    alone = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        alone[1:1] = ["--user", "--map-root-user"]
        if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
            pytest.skip("this user may not make name spaces")
    done = _start(folder, [*alone, PYTHON, "app.py", "out"], processes=3)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "out").read_text() == "30 0"


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_at_once_and_forks_no_chain(folder: Path) -> None:
    (folder / "app.py").write_text(UNGUARDED)
    done = _start(folder, [PYTHON, "app.py", "out"])
    assert done.returncode == 1
    assert ADVICE in _last_line(done.stderr)
    assert not (folder / "out").exists()


def test_a_class_that_was_typed_in_is_told_to_move_to_a_module(folder: Path) -> None:
    for command, text in (([PYTHON, "-c", HERE, "out"], ""), ([PYTHON, "-", "out"], HERE)):
        done = _start(folder, command, text=text, processes=1)
        assert done.returncode == 1
        assert _last_line(done.stderr) == (
            "ValueError: Squarer lives in __main__, which is not a file: another process cannot "
            "import it; put the class into a module"
        )


@pytest.mark.slow
def test_a_frozen_program_is_its_own_worker_or_told_what_to_call(folder: Path) -> None:
    program = folder / "app"
    program.write_text(FROZEN)
    program.chmod(0o755)
    done = _start(folder, [str(program), "out"])
    assert done.returncode == 1
    assert "call `am_node.freeze_support()` first" in _last_line(done.stderr)
    program.write_text(FROZEN.replace("    main()\n", "    am_node.freeze_support()\n    main()\n"))
    done = _start(folder, [str(program), "out"])
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "out").read_text() == "30 0"


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("form", ["--onedir", "--onefile"])
def test_a_program_that_pyinstaller_froze_works(folder: Path, form: str) -> None:
    pytest.importorskip("PyInstaller")
    guarded = HERE.replace("    main()\n", "    am_node.freeze_support()\n    main()\n")
    (folder / "app.py").write_text(guarded)
    subprocess.run(
        [PYTHON, "-m", "PyInstaller", form, "--log-level", "ERROR", "app.py"],
        cwd=folder, check=True, timeout=300,
    )  # fmt: skip
    program = folder / "dist" / "app" / "app" if form == "--onedir" else folder / "dist" / "app"
    # Of one file a loader comes before each program.
    processes = 2 if form == "--onedir" else 4
    done = _start(folder, [str(program), "out"], processes=processes, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "out").read_text() == "30 0"


@pytest.mark.slow
def test_a_notebook_works_with_a_class_in_a_file_and_is_told_of_one_in_a_cell(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.chdir(folder)
    cells = [
        "import am_node\nfrom squarer import Squarer",
        "with am_node.blocking(Squarer, workers=1) as pool: print(pool.work(input=12))",
        "async with am_node.on_asyncio(Squarer, workers=1) as pool:\n"
        "    print(await pool.work(input=5))",
        "class Typed(am_node.Worker):\n    def work(self): ...\n"
        "try:\n    with am_node.blocking(Typed): pass\nexcept ValueError as exc: print(exc)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources=resources
    )
    client.execute()
    told = [output.text for cell in notebook.cells for output in cell.outputs]
    assert told[:2] == ["144\n", "25\n"]
    assert told[2].startswith("Typed lives in __main__, which is not a file")
