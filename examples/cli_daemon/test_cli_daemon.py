"""Real processes tell the story of the README, and each part does what it says."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

import am_machine as am
from examples.cli_daemon.cli import parse
from examples.cli_daemon.daemon import Jobs
from examples.cli_daemon.states import STEPS, DaemonStates

ROOT = Path(__file__).parents[2]


def program(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("how", [("-m", "examples.cli_daemon"), ("examples/cli_daemon/main.py",)])
def test_the_story_is_the_one_of_the_readme(told: str, how: tuple[str, ...]) -> None:
    done = program(*how)
    assert (done.returncode, done.stdout) == (0, told), done.stderr


@pytest.mark.process
@pytest.mark.slow
def test_another_daemon_starts_after_one_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.cli_daemon.daemon", str(tmp_path)]
    for _ in range(2):
        daemon = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "ready\n"
        daemon.send_signal(signal.SIGKILL)
        daemon.communicate()
    assert sorted(os.listdir(tmp_path)) == ["daemon.addr", "socket"]


@pytest.mark.trio
async def test_a_job_ticks_at_each_step_and_excludes_others(autojump_clock: object) -> None:
    async with am.Machine(DaemonStates, handlers=Jobs()) as mach:
        assert mach.add("Foo") is am.CANCELED
        mach.add("Ready")
        began = trio.current_time()
        assert mach.add("Foo", duration=10.0)
        assert mach.add("Bar") is am.CANCELED
        await mach.when("FooDone")
        assert trio.current_time() - began == pytest.approx(10)
        assert mach.tick("Progress") == 2 * STEPS
        assert mach.add("Bar")
        assert mach.not_("FooDone")


@pytest.mark.trio
async def test_removing_a_job_cancels_its_work(autojump_clock: object) -> None:
    async with am.Machine(DaemonStates, handlers=Jobs()) as mach:
        mach.add("Ready")
        mach.add("Foo", duration=10.0)
        mach.remove("Foo")
        await trio.sleep(20)
        assert (mach.tick("Progress"), mach.tick("FooDone")) == (0, 0)


def test_flags_become_jobs_in_their_order() -> None:
    assert parse(["d", "--bar", "--foo", "--duration", "3"]) == (Path("d"), ["Bar", "Foo"], 3.0)


@pytest.mark.parametrize("argv", [[], ["d"], ["d", "--foo", "--duration", "long"]])
def test_flags_that_make_no_job_are_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(argv)
    assert ended.value.code == 2
