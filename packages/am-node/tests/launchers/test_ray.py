"""The launcher for Ray against a stand-in for it; the real one: `nox -s engines -- ray`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_node
from am_node.testing import LAUNCHER_CHECKS, LauncherCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.trio

FAKES = Path(__file__).parent / "fakes"
_OURS = ("am_node.ray", "am_node._launchers.ray", "am_node._launchers.ray_actor")


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stand-in is what `import ray` finds, here and in actors."""

    def loaded() -> list[str]:
        return [name for name in sys.modules if name in _OURS or name.split(".")[0] == "ray"]

    before = {name: sys.modules.pop(name) for name in loaded()}
    monkeypatch.setattr(sys, "path", [str(FAKES), *sys.path])
    yield
    for name in loaded():
        del sys.modules[name]
    sys.modules.update(before)


def _launcher(**options: Any) -> am_node.Launcher:
    from am_node.ray import RayLauncher

    return RayLauncher(**options)


@pytest.mark.parametrize("check", LAUNCHER_CHECKS, ids=lambda check: check.__name__)
async def test_it_conforms(check: LauncherCheck) -> None:
    await check(_launcher())


async def test_an_actor_has_a_name_and_what_its_worker_needs() -> None:
    import ray  # type: ignore[import-not-found,unused-ignore]

    labels = {"supervisor": "ns-Squarer-host-120000-1"}
    needs = am_node.Resources(cpus=2, gpus=1)
    spec = am_node.WorkerSpec("nw-1", b"nonsense", resources=needs, labels=labels)
    launcher = _launcher(runtime_env={"pip": ["am-node"]}, resources={"fast_disk": 1})
    with trio.fail_after(20):
        info = await launcher.run(spec)
    assert ray.asked[-1] == {
        "max_concurrency": 4,
        "max_restarts": 0,
        "name": "ns-Squarer-host-120000-1.nw-1",
        "num_cpus": 2,
        "num_gpus": 1,
        "resources": {"fast_disk": 1},
        "runtime_env": {"pip": ["am-node"]},
    }
    assert info.code == 70  # what every worker says that cannot come up
    assert "not MessagePack" in info.stderr


async def test_what_an_actor_waits_for_is_the_resource_that_is_short() -> None:
    _launcher()
    reason = sys.modules["am_node._launchers.ray"]._reason
    free, whole = {"CPU": 1.0}, {"CPU": 4.0}
    assert reason({"CPU": 8}, free, whole) == "8 CPU, of which the cluster has 4"
    assert reason({"CPU": 2}, free, whole) == "2 CPU, of which 1 is free"
    assert reason({"CPU": 1, "GPU": 1}, free, whole) == "1 GPU, of which the cluster has 0"
    assert reason({"CPU": 1, "GPU": None}, free, whole) == "a node with all it needs"


async def test_a_cluster_that_does_not_come_up_is_an_error_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray  # type: ignore[import-not-found,unused-ignore]

    asked: list[str] = []

    def init(**options: Any) -> None:
        asked.append(options["address"])
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init, raising=False)
    monkeypatch.setattr(ray, "shutdown", lambda: asked.append("shutdown"), raising=False)
    with pytest.raises(OSError, match="Ray cannot be reached: The current node timed out"):
        await _launcher(address="local").run(am_node.WorkerSpec("nw-1", b""))
    assert asked == ["local", "shutdown"]
