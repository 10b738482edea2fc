"""The template tells the story of its README; its parts can be tested as yours should be."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

import am_helpers as amh
import am_machine as am
import am_rpc
from examples.mach_template.handlers import factors_of
from examples.mach_template.main import HEALTH, run, service
from examples.mach_template.states import TemplateStates

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
README = (HERE / "README.md").read_text()


@settings(deadline=None)
@given(st.integers(1, 10_000))
def test_factors_are_primes_that_make_the_number(number: int) -> None:
    factors = factors_of(number)
    product = 1
    for factor in factors:
        product *= factor
        assert factor == 1 or all(factor % smaller for smaller in range(2, factor))
    assert product == number


@pytest.mark.trio
async def test_the_story_is_the_one_of_the_readme(told: str) -> None:
    lines: list[str] = []
    with trio.fail_after(10):
        mach = await run(lines.append, (360, 0, 97))
    assert "".join(f"{line}\n" for line in lines) == told
    assert mach.disposed


@pytest.mark.trio
async def test_a_second_job_is_refused_and_the_first_ends_with_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, ended = trio.Event(), trio.Event()

    async def endless(*args: object, **kwargs: object) -> None:
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    lines: list[str] = []
    async with service(lines.append) as mach:
        monkeypatch.setattr(trio.to_thread, "run_sync", endless)
        mach.add("Start")
        await mach.when("Ready", "Idle")
        assert mach.add("Working", number=7) is am.EXECUTED
        await begun.wait()
        assert mach.not_("Idle")
        assert mach.add("Working", number=8) is am.CANCELED
        assert "WorkingWorking" in (mach.why or "")
        assert mach.add("Healthcheck") is am.EXECUTED
        mach.remove("Start")
        await ended.wait()
    assert lines == ["ready", "closing"]


@pytest.mark.trio
async def test_a_health_check_is_answered_by_a_sign_of_life(autojump_clock: object) -> None:
    async with service(lambda line: None) as mach:
        mach.add("Start")
        await mach.when_ticks("Heartbeat", 4)
        assert trio.current_time() >= 2 * HEALTH
        assert mach.not_("Heartbeat")


def test_args_are_checked_at_the_call() -> None:
    mach = am.Machine(TemplateStates)
    with pytest.raises(am.ArgsError):
        mach.add("Working", nunber=7)
    assert TemplateStates.Groups.Work == ("Idle", "Working")


def test_the_generated_file_is_what_the_command_of_the_readme_writes(tmp_path: Path) -> None:
    (command,) = re.findall(r"^\$ am-gen (.*?[^\\])$", README, re.DOTALL | re.MULTILINE)
    line = f"{Path(sys.executable).with_name('am-gen')} {command}"
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True, capture_output=True, timeout=30)
    (written,) = tmp_path.iterdir()
    assert written.read_text() == (HERE / written.name).read_text()


def start(*how: str, **env: str) -> subprocess.Popen[str]:
    """The service as a process that says it is ready."""
    program = subprocess.Popen(
        [sys.executable, "-W", "error", *how],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    return program


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_in_order(number: signal.Signals) -> None:
    with start("-m", "examples.mach_template") as program:
        program.send_signal(number)
        out, _ = program.communicate(timeout=10)
    assert (program.returncode, out.splitlines()[0]) == (0, "closing")


@pytest.mark.process
def test_it_is_steered_from_outside_where_the_environment_says_so(tmp_path: Path) -> None:
    addr = f"unix:{tmp_path / 'repl'}"

    async def steer() -> None:
        async with am_rpc.connect(addr, TemplateStates, timeout=10) as net:
            await net.when("Idle")
            await net.add("Working", number=15)
            await amh.wait_for_all(net.when("Done"), timeout=10)
            await net.remove("Start")

    with start("examples/mach_template/main.py", AM_REPL_ADDR=addr) as program:
        trio.run(steer)
        out, _ = program.communicate(timeout=10)
    assert program.returncode == 0
    assert out.splitlines()[:2] == ["15 = 3 · 5", "closing"]
