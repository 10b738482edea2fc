"""The driver that runs checks beside each other."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

AUTOGROUP = Path("/proc/self/autogroup")


@pytest.fixture
def lanes(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, which stands beside `.ci/run`."""
    monkeypatch.syspath_prepend(root / ".ci")
    import lanes  # type: ignore[import-not-found] # found by now

    return lanes  # type: ignore[no-any-return]


def job(lanes: Any, name: str, code: str = "", **how: Any) -> Any:
    """A job that runs a line of Python."""
    return lanes.Job(name, (sys.executable, "-c", code), **how)


def marks(folder: Path, name: str) -> str:
    """Code that leaves a file with the moments of its begin and its end."""
    path = str(folder / name)
    return (
        "import time; a = time.monotonic(); time.sleep(0.3); "
        f"open({path!r}, 'w').write(f'{{a}} {{time.monotonic()}}')"
    )


def span(folder: Path, name: str) -> tuple[float, float]:
    began, ended = (folder / name).read_text().split()
    return float(began), float(ended)


def test_the_first_failure_is_shown_whole_and_ends_what_runs(
    lanes: Any, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    quiet = job(lanes, "quiet", "print('not of interest')")
    bad = job(lanes, "bad", "import sys; print('the reason'); sys.exit(3)", after="quiet")
    endless = job(lanes, "endless", "import time; time.sleep(1000)")
    late = job(lanes, "late", marks(tmp_path, "late"), after="bad")
    began = time.monotonic()
    assert not lanes.run_jobs([quiet, endless, bad, late], 2)
    assert time.monotonic() - began < 30
    out = capfdbinary.readouterr().out.decode()
    assert "the reason" in out
    assert "bad: failed with code 3" in out
    assert "not of interest" not in out
    assert not (tmp_path / "late").exists()


def test_there_are_no_more_jobs_at_a_time_than_lanes(lanes: Any, tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    assert lanes.run_jobs([job(lanes, name, marks(tmp_path, name)) for name in names], 2)
    spans = [span(tmp_path, name) for name in names]
    beside = [sum(b <= began < e for b, e in spans) for began, _ in spans]
    assert max(beside) == 2


def test_a_job_waits_for_the_one_that_it_comes_after(lanes: Any, tmp_path: Path) -> None:
    first = job(lanes, "first", marks(tmp_path, "first"))
    second = job(lanes, "second", marks(tmp_path, "second"), after="first")
    assert lanes.run_jobs([second, first], 2)
    assert span(tmp_path, "first")[1] <= span(tmp_path, "second")[0]


def test_a_job_that_yields_has_the_lower_priority(lanes: Any, tmp_path: Path) -> None:
    for name, yields in (("meek", True), ("firm", False)):
        path = str(tmp_path / name)
        code = f"import os, time; time.sleep(0.3); open({path!r}, 'w').write(str(os.nice(0)))"
        assert lanes.run_jobs([job(lanes, name, code, yields=yields)], 1)
    assert int((tmp_path / "meek").read_text()) > int((tmp_path / "firm").read_text())


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="sessions have no niceness here")
def test_a_job_that_yields_does_so_among_sessions(lanes: Any, tmp_path: Path) -> None:
    # To tell the jobs from each other is up to that of their sessions alone.
    for name, yields in (("meek", True), ("firm", False)):
        copied = f"open({str(tmp_path / name)!r}, 'w').write(open('/proc/self/autogroup').read())"
        wanted = job(lanes, name, f"import time; time.sleep(0.3); {copied}", yields=yields)
        assert lanes.run_jobs([wanted], 1)
    firm, meek = [int((tmp_path / name).read_text().split()[-1]) for name in ("firm", "meek")]
    assert meek > firm


def test_jobs_that_do_not_yield_leave_lanes_to_those_that_do(lanes: Any, tmp_path: Path) -> None:
    firm = [job(lanes, name, marks(tmp_path, name)) for name in ("a", "b", "c")]
    meek = [job(lanes, name, marks(tmp_path, name), yields=True) for name in ("d", "e")]
    assert lanes.run_jobs([*firm, *meek], 3, 1)
    one, two, three = (span(tmp_path, name) for name in ("a", "b", "c"))
    assert one[1] <= two[0]
    assert two[1] <= three[0]
    assert span(tmp_path, "d")[0] < one[1]
    assert span(tmp_path, "e")[0] < one[1]


def test_what_can_never_begin_is_an_error(lanes: Any) -> None:
    with pytest.raises(ValueError, match="nothing comes before a"):
        lanes.run_jobs([job(lanes, "a", after="b")], 1)
    with pytest.raises(ValueError, match="a, b wait for each other"):
        lanes.run_jobs([job(lanes, "a", after="b"), job(lanes, "b", after="a")], 1)


@pytest.mark.process
def test_jobs_hear_interrupts_though_the_driver_was_started_without(root: Path) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from lanes import Job, run_jobs\n"
        "asks = 'import signal; assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN'\n"
        "sys.exit(not run_jobs([Job('asks', (sys.executable, '-c', asks))], 1))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root / ".ci", capture_output=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.process
def test_an_interrupted_driver_leaves_nothing_running(root: Path) -> None:
    code = (
        "import sys; from lanes import Job, run_jobs\n"
        "endless = (sys.executable, '-c', 'import time; time.sleep(1000)')\n"
        "run_jobs([Job('endless', endless)], 1)\n"
    )
    command = [sys.executable, "-u", "-c", code]
    with subprocess.Popen(
        command, cwd=root / ".ci", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as driver:
        assert driver.stdout is not None
        assert b"endless" in driver.stdout.readline()
        driver.send_signal(signal.SIGINT)
        driver.wait(30)
