"""The recipes pass the suite that the package's own launchers pass, and do what each alone does.

A fake in the folder beside this file stands for kubectl with its cluster.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_node
from am_node.testing import LAUNCHER_CHECKS, LauncherCheck
from examples.launchers.kubernetes import PodLauncher, pod_name

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.trio

FAKES = Path(__file__).parent / "fakes"
ROOT = Path(__file__).parents[2]
WORKER = (sys.executable, "-m", "am_node", "worker")
KUBECTL = (sys.executable, str(FAKES / "kubectl"))


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Puts the fakes where the recipes look for the real ones; returns the cluster's folder."""
    monkeypatch.setattr(sys, "path", [str(ROOT), str(FAKES), *sys.path])
    monkeypatch.setenv("FAKE_CLUSTER", str(tmp_path))
    return tmp_path


def _pods() -> am_node.Launcher:
    return PodLauncher("image", owner=("supervisor-0", "uid"), command=WORKER, kubectl=KUBECTL)


LAUNCHERS: dict[str, Callable[[], am_node.Launcher]] = {
    "kubernetes": _pods,
}
# Where a recipe can do less than a process on this host.
CANNOT: dict[str, set[str]] = {
    "kubernetes": {"lifeline"},
}


@pytest.mark.parametrize("check", LAUNCHER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", LAUNCHERS)
async def test_it_conforms(name: str, check: LauncherCheck) -> None:
    await check(LAUNCHERS[name]())


@pytest.mark.parametrize("name", LAUNCHERS)
async def test_it_says_what_it_cannot(name: str) -> None:
    launcher = LAUNCHERS[name]()
    assert isinstance(launcher, am_node.Launcher)
    assert not launcher.same_host
    assert {what for what in ("lifeline", "output") if not getattr(launcher, what)} == CANNOT[name]


@pytest.mark.parametrize("name", LAUNCHERS)
async def test_a_pool_of_it_works(name: str, tmp_path: Path) -> None:
    needs = am_node.Resources(cpus=1)
    with trio.fail_after(30):
        async with (
            am_node.Supervisor(
                "examples.worker_pool.text_stats:TextStats",
                pool=am_node.Pool(1, 1, 0),
                launcher=LAUNCHERS[name](),
                resources=needs,
            ) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            result = await client.work(path=str(FAKES / "kubectl"))
    assert result["lines"] > 5


# -- Kubernetes


def _manifests(**needs: Any) -> list[dict[str, Any]]:
    spec = am_node.WorkerSpec("nw-1", b"secret", resources=am_node.Resources(**needs))
    return PodLauncher("image:1", owner=("super", "uid-7")).manifests("nw-1", spec)


async def test_a_pod_and_its_secret_belong_to_the_pod_of_the_supervisor() -> None:
    for thing in _manifests():
        (owner,) = thing["metadata"]["ownerReferences"]
        assert owner == {"apiVersion": "v1", "kind": "Pod", "name": "super", "uid": "uid-7"}


async def test_the_configuration_is_in_the_secret_and_nowhere_else() -> None:
    secret, pod = _manifests()
    assert secret["stringData"] == am_node.boot_environment(b"secret")
    assert secret["stringData"]["AM_NODE_BOOT"] not in json.dumps(pod)


async def test_a_pod_has_the_limits_that_its_worker_needs() -> None:
    _, pod = _manifests(cpus=0.5, memory=2**30)
    (container,) = pod["spec"]["containers"]
    assert container["resources"] == {"limits": {"cpu": "0.5", "memory": str(2**30)}}


async def test_names_are_what_a_cluster_takes() -> None:
    assert pod_name("nw-Squarer_2-host.x-a1b2c3") == "nw-squarer-2-host-x-a1b2c3"
    assert pod_name("nw-" + "K" * 100 + "-a1b2c3").endswith("-a1b2c3")
    assert len(pod_name("nw-" + "K" * 100)) <= 63


async def test_a_pod_that_cannot_be_created_is_an_os_error() -> None:
    launcher = PodLauncher("image", kubectl=[sys.executable, "-c", "raise SystemExit('no quota')"])
    with pytest.raises(OSError, match="no quota"):
        await launcher.run(am_node.WorkerSpec("nw-1", b""))


async def test_nothing_is_left_in_the_cluster(fakes: Path) -> None:
    await LAUNCHER_CHECKS[0](_pods())
    left = [path for path in fakes.glob("*/") if path.name[0] != "."]  # noqa: ASYNC240 - a few
    assert left == []
