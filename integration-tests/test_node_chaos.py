"""Workers are killed at random under load, and nothing is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process


def _chaos(root: Path, seconds: int, seeds: int, *options: str) -> None:
    script = root / "packages" / "am-node" / "chaos"
    done = subprocess.run(
        [sys.executable, str(script), "--seconds", str(seconds), "--seeds", str(seeds), *options],
        capture_output=True,
        text=True,
        timeout=60 + 3 * seconds * seeds,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    assert done.stdout.count("SIGKILL") >= seconds * seeds / 4
    assert done.stdout.count("the set of results equals the expected one\n") == seeds
    assert done.stdout.count("left behind: nothing\n") == seeds
    assert done.stdout.count("every promise held\n") == seeds
    assert done.stdout.count("misdeed: ") == seeds * (5 if "--unruly" in options else 0)


@pytest.mark.slow
def test_ten_seconds_of_chaos_lose_nothing(root: Path) -> None:
    _chaos(root, 10, 1)


@pytest.mark.slow
def test_ten_seconds_of_workers_that_misbehave_as_well_lose_nothing(root: Path) -> None:
    _chaos(root, 10, 1, "--unruly")


@pytest.mark.nightly
@pytest.mark.parametrize("options", [(), ("--unruly",)])
def test_minutes_of_chaos_lose_nothing(root: Path, options: tuple[str, ...]) -> None:
    _chaos(root, 60, 5, *options)
