# ruff: noqa: E501 - the programs stand here as they are printed
"""The shortest programs run as printed, with the missing names supplied, and so does the CLI."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SQUARER = textwrap.dedent("""\
    # squarer.py
    import am_node

    class Squarer(am_node.Worker):
        def WorkRequestedState(self, e):              # full control, args are on the event
            self.reply(e, e.args["input"] ** 2)       # payload to the client, then WorkReady

    class Counter(am_node.Worker):                    # or: only the work itself
        async def work(self, path: str) -> dict:      # sync def: runs in a thread (`thread=False`: inline)
            ...
    """)

IN_CODE = textwrap.dedent("""\
    import am_node, trio
    from squarer import Squarer

    async def main(addr, inputs):
        async with am_node.Supervisor(Squarer, addr=addr, pool=am_node.Pool(min=2, max=10, warm=5)) as sup:
            await sup.mach.when("PoolReady")
            async with am_node.Client("cli", Squarer, supers=[sup.addr]) as client:
                assert await client.work(input=12) == 144             # requests a worker if needed, retries on another one
                async for args, result in client.map(inputs, workers=4): print(args["input"], result)

    trio.run(main, "127.0.0.1:0", [{"input": n} for n in range(20)])
    """)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "squarer.py").write_text(SQUARER)
    return tmp_path


def _run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def supervisor(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "am_node", "supervisor", "squarer:Squarer", "--workers", "2",
         "--addr", "127.0.0.1:0"],
        cwd=folder, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        match = re.search(r"listens on (\S+)", process.stdout.readline())
        assert match is not None
        yield match[1], process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def test_the_programs_in_code_run_as_printed(folder: Path) -> None:
    (folder / "program.py").write_text(IN_CODE)
    done = _run(folder, "program.py")
    assert done.returncode == 0, done.stderr
    pairs = {tuple(map(int, line.split())) for line in done.stdout.splitlines()}
    assert pairs == {(n, n * n) for n in range(20)}


def test_the_commands_run_as_printed_and_a_signal_drains(
    folder: Path, supervisor: tuple[str, subprocess.Popen[str]]
) -> None:
    addr, process = supervisor
    done = _run(folder, "-m", "am_node", "work", "squarer:Squarer", "--supers", addr,
                "--arg", "input", "--val", "12")  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "144\n"), done.stderr
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=40) == 0


def test_work_that_fails_is_one_line_and_exit_code_1(
    folder: Path, supervisor: tuple[str, subprocess.Popen[str]]
) -> None:
    addr, _ = supervisor
    done = _run(folder, "-m", "am_node", "work", "squarer:Squarer", "--supers", addr,
                "--arg", "input", "--val", "text")  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("am-node: the work failed: TypeError: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["work", "squarer:Squarer", "--supers", "127.0.0.1:9", "--timeout", "0.3"], 3),
        (["work", "squarer:Missing", "--supers", "127.0.0.1:9"], 2),
        (["work", "squarer:Squarer", "--supers", "127.0.0.1:9", "--arg", "x"], 2),
        (["supervisor", "squarer:Squarer", "--addr", "0.0.0.0:0"], 2),
        (["supervisor", "squarer:Squarer", "--addr", "127.0.0.1:0", "--log", "LOUD"], 2),
        (["supervisor", "squarer:Squarer", "--addr", "nowhere"], 2),
        (["supervisor", "squarer:Squarer", "--conn-timeout", "-1"], 2),
        (["supervisor", "squarer:Squarer", "--tls-cert", "squarer.py"], 2),
        (["supervisor", "squarer:Squarer", "--tls-cert", "missing.pem"], 3),
        (["nonsense"], 2),
    ],
)
def test_every_refusal_is_clear_and_has_its_exit_code(
    folder: Path, args: list[str], code: int
) -> None:
    done = _run(folder, "-m", "am_node", *args)
    assert done.returncode == code, done.stderr
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_the_installed_command_is_the_same(folder: Path) -> None:
    command = Path(sys.executable).parent / "am-node"
    if not command.exists():
        pytest.skip("the command is not installed here")
    done = subprocess.run(
        [command, "work", "squarer:Nobody", "--supers", "127.0.0.1:9"],
        cwd=folder, capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "Nobody" in done.stderr
