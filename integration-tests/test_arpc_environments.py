"""`arpc` where something is missing: one line, an exit code that says what happened, and no result
lost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.slow]

MACHINE = """
import sys
import trio
import am_machine as am
import am_rpc

async def main():
    async with am.Machine({"Foo": {"multi": True}}, id="m\\u00e4ch") as mach:
        print(await am_rpc.repl(mach, sys.argv[1]).ready(), flush=True)
        await trio.sleep_forever()

trio.run(main)
"""
ARPC = str(Path(sys.executable).with_name("arpc"))  # the installed program
FULL = "arpc: stdout: [Errno 28] No space left on device"
CLOSED = "arpc: stdout is closed, so no result could be written\n"


class Served:
    """A machine that is served, and commands of a shell that know `$ARPC`, the way to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.addr = f"unix:{folder / 'sock'}"

    def sh(self, script: str, **env: str) -> tuple[int, str, str]:
        """The exit code of a script, and what it wrote."""
        known = {"ARPC": f"{ARPC} {self.addr}", "BARE": ARPC, "PYTHON": sys.executable}
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, capture_output=True, text=True, timeout=60,
            env={**os.environ, **known, **env}, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def ticks(self) -> int:
        """How often `Foo` was entered, or left."""
        code, out, err = self.sh("$ARPC --json -- time .")
        assert (code, err) == (0, "")
        ticks: int = json.loads(out)["sum"]
        return ticks


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("arpc"))
    # Not the mark of one test, which the machine of them all outlives.
    env = {name: value for name, value in os.environ.items() if name != "AM_TEST_RUN"}
    command = [sys.executable, "-c", MACHINE, found.addr]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == found.addr
            yield found
        finally:
            process.kill()


def test_what_a_full_disk_does_not_take_is_told_in_the_line(served: Served) -> None:
    before = served.ticks()
    code, _, err = served.sh("$ARPC -- add . Foo > /dev/full")
    now = served.ticks()
    assert now > before, "it was done"
    assert (code, err) == (5, f"{FULL}; not written: m\u00e4ch executed (Foo:{now})\n")
    code, _, err = served.sh("$ARPC --json -- list > /dev/full")
    assert code == 5
    assert err.startswith(f'{FULL}; not written: {{"command": "list", "ok": true')
    assert err.count("\n") == 1
    code, _, err = served.sh("echo list | $ARPC > /dev/full")
    assert (code, err.partition(";")[0], err.count("\n")) == (5, FULL, 1)
    assert served.sh("$BARE --help > /dev/full")[::2] == (5, f"{FULL}\n")


def test_where_nothing_can_be_written_nothing_is_begun(served: Served) -> None:
    before = served.ticks()
    for options in ("", "--json"):
        assert served.sh(f"$ARPC {options} -- add . Foo >&-") == (5, "", CLOSED)
    assert served.sh("$BARE doctor unix:/nowhere >&-") == (5, "", CLOSED)
    assert served.ticks() == before


def test_without_stderr_no_fault_gets_into_the_output(served: Served) -> None:
    for stderr in ("2>&-", "2>/dev/full"):
        assert served.sh(f"$ARPC -- add . Nope {stderr}") == (2, "", "")
        assert served.sh(f"$BARE unix:/nowhere -- list {stderr}")[::2] == (3, "")
    assert served.sh("$ARPC -- add . Foo >&- 2>&-") == (5, "", "")


def test_without_stdin_a_command_works_and_a_shell_says_what_it_needs(served: Served) -> None:
    assert served.sh("$ARPC -- list <&-")[::2] == (0, "")
    told = "arpc: stdin is closed: give a command after --\n"
    assert served.sh("$ARPC <&-") == (2, "", told)
    told = "arpc: stdin is closed: the agent speaks over it\n"
    assert served.sh("$BARE mcp unix:/nowhere <&-") == (2, "", told)


def test_a_change_that_nobody_can_be_shown_ends_a_watch(served: Served) -> None:
    changes = "(for n in $(seq 40); do sleep 0.3; $ARPC -- add . Foo; done) > /dev/null 2>&1 &"
    code, _, err = served.sh(
        f"{changes} trap 'kill $!' EXIT; $ARPC -- watch . --timeout 50 > /dev/full"
    )
    assert (code, err.partition(";")[0], err.count("\n")) == (5, FULL, 1)
    code, out, err = served.sh(
        f"{changes} trap 'kill $!' EXIT; set -o pipefail; $ARPC -- watch . --timeout 50 | head -1"
    )
    assert (code, out.count("\n"), err) == (0, 1, "")


def test_what_an_old_encoding_lacks_is_escaped(served: Served) -> None:
    old = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    code, out, err = served.sh("$ARPC -- add . Foo", PYTHONIOENCODING="ascii:strict", **old)
    assert (code, err) == (0, "")
    assert out.startswith("m\\xe4ch executed (Foo:")


@pytest.mark.parametrize(
    "way",
    [
        "mkdir gone && cd gone && rmdir ../gone; $ARPC -- list",
        "umask 777; $ARPC -- list",
        "setsid -w $ARPC -- list",
        "exec env -i $ARPC -- list",
        "HOME=/nowhere $ARPC -- list",
        "$PYTHON -OO $ARPC -- list",
        "$PYTHON -m am_rpc._repl._main ${ARPC#* } -- list",
    ],
)
def test_a_command_works_without_a_folder_a_home_a_terminal_or_assertions(
    served: Served, way: str
) -> None:
    code, out, err = served.sh(way)
    assert (code, err) == (0, "")
    assert served.addr in out


@pytest.mark.skipif(sys.platform != "linux", reason="name spaces are Linux's")
def test_a_command_works_as_process_1(served: Served) -> None:
    alone = "unshare --pid --fork --mount-proc"
    if served.sh(f"{alone} true")[0]:
        alone = "unshare --user --map-root-user --pid --fork --mount-proc"
        if served.sh(f"{alone} true")[0]:
            pytest.skip("this user may not make name spaces")
    assert served.sh(f"{alone} $ARPC -- list")[::2] == (0, "")
