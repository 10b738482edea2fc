"""``--launcher`` and ``--set`` make a launcher, and refuse what it does not have."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import am_node
from am_node._cli.launching import launcher
from am_node.slurm import SlurmLauncher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SPEC = am_node.WorkerSpec("nw-1", b"")


def _srun(*settings: str) -> Sequence[str]:
    made = launcher("slurm", settings)
    assert isinstance(made, SlurmLauncher)
    return made.command_for(SPEC)


def test_without_a_name_workers_are_children() -> None:
    assert launcher(None, []) is None


def test_settings_reach_the_launcher() -> None:
    command = _srun("partition=long", "time=60", "options=--quiet,--mpi=none", "overlap=true")
    assert {"--partition=long", "--time=60", "--mpi=none", "--overlap"} <= set(command)


def test_a_name_that_looks_like_a_number_stays_a_name() -> None:
    assert "--partition=17" in _srun("partition=17")


def test_a_list_is_json_or_texts_with_commas() -> None:
    for hosts in ("hosts=node1,node2", 'hosts=["node1", "node2"]'):
        assert isinstance(launcher("ssh", [hosts, "slots=8"]), am_node.SshLauncher)


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        (None, ["a=b"], "needs --launcher"),
        ("slurm", ["colour=red"], "there are partition"),
        ("slurm", ["partition"], "there are partition"),
        ("slurm", ["partition=-x"], "dash"),
        ("ssh", [], "hosts"),
    ],
)
def test_what_a_launcher_does_not_have_is_refused(
    name: str | None, settings: list[str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        launcher(name, settings)


def test_the_command_says_in_one_line_what_is_wrong_with_a_setting(tmp_path: Path) -> None:
    words = ("supervisor", "am_node:Worker", "--launcher", "slurm", "--set", "colour=red")
    done = subprocess.run(
        [sys.executable, "-m", "am_node", *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "colour=red" in done.stderr
