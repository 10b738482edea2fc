"""The session of the README is replayed, command by command, against the real program."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

import am_machine as am
from examples.repl.machines import Pump, PumpStates

ROOT = Path(__file__).parents[2]
README = Path(__file__).with_name("README.md").read_text()


def session() -> Iterator[tuple[str, str]]:
    """Each command of the session with the output that is promised."""
    block = re.findall(r"^```console\n(.*?)^```", README, re.DOTALL | re.MULTILINE)[1]
    for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = entry.partition("\n")
        yield command, output


def fits(said: str, promised: str) -> bool:
    """Compare, `…` standing for anything; how far columns are apart does not count."""
    pattern = re.escape(re.sub(r" +", " ", promised)).replace("…", "[^\n]*")
    return re.fullmatch(pattern, re.sub(r" +", " ", said)) is not None


def start(folder: Path, *how: str) -> tuple[subprocess.Popen[str], str]:
    """Start the greenhouse; return it and what it says until it is ready."""
    program = subprocess.Popen(
        [sys.executable, *how, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    return program, "".join(program.stdout.readline() for _ in range(4))


@pytest.mark.process
@pytest.mark.slow
def test_the_session_of_the_readme(tmp_path: Path) -> None:
    folder = tmp_path / "greenhouse"
    program, _ = start(folder, "-m", "examples.repl")
    try:
        # `arpc` is installed beside the interpreter.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "AM_REPL_DIR": str(folder)}
        for command, promised in session():
            if command.startswith("export "):
                continue
            done = subprocess.run(
                ["sh", "-c", f"exec 2>&1; {command}"],
                cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert fits(done.stdout, promised), f"{command}\n{done.stdout}"
    finally:
        program.send_signal(signal.SIGINT)
        program.communicate()


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("how", [("-m", "examples.repl"), ("examples/repl/main.py",)])
def test_the_program_says_what_the_readme_shows_and_cleans_up(
    tmp_path: Path, told: str, how: tuple[str, ...]
) -> None:
    program, said = start(tmp_path, *how)
    files = sorted(os.listdir(tmp_path))
    program.send_signal(signal.SIGINT)
    rest, _ = program.communicate()
    assert files == ["pump.addr", "window-east.addr", "window-west.addr"]
    assert program.returncode == 0
    assert fits(said + rest, told)
    assert os.listdir(tmp_path) == []


def test_the_session_shows_what_it_claims() -> None:
    used = {command.split("--", 1)[1].split()[0] for command, _ in session() if "--" in command}
    used |= {"status"}  # after --json
    assert len(list(session())) >= 15
    assert {"list", "add", "when", "group-add", "toggle", "when-not", "set", "mach"} <= used


@pytest.mark.trio
async def test_a_pump_waters_what_its_tank_holds_unless_it_is_locked(
    autojump_clock: object,
) -> None:
    async with am.Machine(PumpStates, handlers=Pump()) as pump:
        pump.add("Ready")
        for litres in (0, 11):
            assert pump.add("Watering", litres=litres) is am.CANCELED
        began = trio.current_time()
        assert pump.add("Watering", litres=10)
        await pump.when("Watered")
        assert trio.current_time() - began == pytest.approx(1)
        pump.add("Locked")
        assert pump.add("Watering", litres=1) is am.CANCELED
