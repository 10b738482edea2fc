"""The launcher for Slurm against stand-ins for its commands; the real ones: `nox -s engines`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import trio

import am_node
from am_node.slurm import SlurmLauncher
from am_node.testing import LAUNCHER_CHECKS, LauncherCheck

pytestmark = pytest.mark.trio

FAKE = Path(__file__).parent / "fakes" / "slurm"
WORKER = (sys.executable, "-m", "am_node", "worker")


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is a cluster, with its commands on the PATH."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in ("srun", "squeue", "scancel"):
        (bin_folder / name).symlink_to(FAKE)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    monkeypatch.setenv("FAKE_SLURM", str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


@pytest.mark.parametrize("check", LAUNCHER_CHECKS, ids=lambda check: check.__name__)
async def test_it_conforms(check: LauncherCheck) -> None:
    await check(SlurmLauncher(command=WORKER))


def _spec(**more: Any) -> am_node.WorkerSpec:
    labels = {"supervisor": "ns-Squarer-host-120000-1", "kind": "Squarer"}
    return am_node.WorkerSpec("nw-Squarer-host-a1b2c3", b"", labels=labels, **more)


async def test_a_job_is_named_by_its_supervisor_and_its_worker() -> None:
    command = SlurmLauncher().command_for(_spec())
    assert command[:2] == ("srun", "--job-name=ns-Squarer-host-120000-1.nw-Squarer-host-a1b2c3")


async def test_srun_is_told_what_workers_need() -> None:
    needs = am_node.Resources(cpus=2, memory=3 * 2**30, gpus=1)
    command = SlurmLauncher(partition="long", time=60, drain_before=30).command_for(
        _spec(resources=needs)
    )
    wanted = {"--cpus-per-task=2", "--mem=3072M", "--gpus-per-task=1"}
    assert wanted | {"--partition=long", "--time=60", "--signal=TERM@30"} <= set(command)
    assert command[-4:] == ("python", "-m", "am_node", "worker")


async def test_a_job_never_takes_the_memory_of_a_whole_node_by_default() -> None:
    assert "--mem=1024M" in SlurmLauncher().command_for(_spec())


async def test_inside_of_an_allocation_a_worker_leaves_room_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert "--exact" in SlurmLauncher().command_for(_spec())
    assert "--overlap" in SlurmLauncher(overlap=True).command_for(_spec())
    assert "--exact" not in SlurmLauncher(overlap=True).command_for(_spec())


@pytest.mark.parametrize(
    "options",
    [
        {"partition": "-x"},
        {"options": "--quiet"},
        {"options": ["python"]},
        {"drain_before": 30},
        {"start_timeout": 0},
    ],
)
async def test_what_cannot_be_meant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        SlurmLauncher(**options)


async def test_a_job_that_slurm_refuses_says_why() -> None:
    info = await SlurmLauncher(partition="nowhere").run(_spec())
    assert info.code == 1
    assert "invalid partition" in info.reason
    assert info.stderr == ""


async def test_a_worker_that_is_queued_is_neither_late_nor_forgotten(cluster: Path) -> None:
    (cluster / "hold").touch()
    timing = am_node.Timing(conn_timeout=1.0, worker_check_timeout=0.2, pool_pause=0.1)
    with trio.fail_after(30):
        async with am_node.Supervisor(
            "am_node:Worker",
            pool=am_node.Pool(1, 1, 0),
            timing=timing,
            launcher=SlurmLauncher(command=WORKER),
        ) as sup:
            with trio.fail_after(10):
                while [w.pending for w in await sup.workers()] != ["Resources"]:  # noqa: ASYNC110
                    await trio.sleep(0.05)  # nobody announces it
            # Longer than a start may take, and than the rounds of filling the pool.
            await trio.sleep(2.5)
            assert (sup.forks, sup.restarts, sup.mach.tick("ErrPool")) == (1, 0, 0)
            (cluster / "hold").unlink()
            await sup.mach.when("PoolReady")
            assert (sup.forks, sup.restarts) == (1, 0)
            assert [w.pending for w in await sup.workers()] == [""]


async def test_a_job_that_is_cancelled_in_the_queue_tells_what_it_waited_for(
    cluster: Path,
) -> None:
    (cluster / "hold").touch()
    infos: list[am_node.ExitInfo] = []

    async def run(task_status: trio.TaskStatus[am_node.WorkerHandle]) -> None:
        infos.append(await SlurmLauncher(command=WORKER).run(_spec(), task_status))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            handle = await nursery.start(run)
            while handle.pending != "Resources":  # noqa: ASYNC110 - what nobody announces
                await trio.sleep(0.05)
            handle.kill()
    assert "waited for: Resources" in infos[0].reason
    assert (cluster / "cancels").read_text()
