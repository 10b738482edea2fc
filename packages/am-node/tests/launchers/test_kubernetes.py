"""The launcher for Kubernetes against an API server of the tests' own; no cluster is involved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import yaml

import am_node
from am_node.kubernetes import KubernetesLauncher
from am_node.testing import LAUNCHER_CHECKS, LauncherCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.trio

FAKES = Path(__file__).parent / "fakes"
DOCS = Path(__file__).parents[2] / "docs"
PYTHON = sys.executable
WORKER = (PYTHON, "-m", "am_node", "worker")
LABELS = {"supervisor": "ns-Squarer-host-120000-1", "kind": "Squarer"}
NAPPER = """
import os, pathlib, am_node, trio

class Napper(am_node.Worker):
    async def work(self, number: int, pause: float = 0.0) -> int:
        with open(pathlib.Path(__file__).with_name("begun"), "a") as file:
            print(number, file=file)
        await trio.sleep(pause)
        return number * number
"""


def _rules() -> set[tuple[str, str]]:
    """What the role of the page allows."""
    documents = yaml.safe_load_all((DOCS / "kubernetes.yaml").read_text())
    (role,) = (document for document in documents if document["kind"] == "Role")
    return {
        (verb, resource)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A cluster in which the role of the page is all that is allowed; nothing may be left in it."""
    monkeypatch.setattr(sys, "path", [str(FAKES), *sys.path])
    from fake_cluster import Cluster  # type: ignore[import-not-found,unused-ignore]

    with Cluster(_rules()) as serving:
        monkeypatch.setenv("KUBECONFIG", serving.kubeconfig(tmp_path))
        yield serving
        assert serving.left() == []


def _launcher(**options: Any) -> KubernetesLauncher:
    return KubernetesLauncher("image", **{"command": WORKER, **options})


def _spec(code: str, **more: Any) -> am_node.WorkerSpec:
    """A container that runs some code, which is no worker."""
    return am_node.WorkerSpec("nw-Squarer-a1b2c3", b"boot", (PYTHON, "-c", code), **more)


def _phase(cluster: Any) -> str:
    (pod,) = cluster.store.all("pods")
    return str(pod["status"]["phase"])


async def _until(is_true: Any) -> None:
    while not is_true():  # noqa: ASYNC110 - the cluster's threads announce nothing
        await trio.sleep(0.02)


@pytest.mark.parametrize("check", LAUNCHER_CHECKS, ids=lambda check: check.__name__)
async def test_it_conforms(cluster: Any, check: LauncherCheck) -> None:
    await check(_launcher())


async def test_it_is_a_launcher_and_says_what_it_can(cluster: Any) -> None:
    launcher = _launcher()
    assert isinstance(launcher, am_node.Launcher)
    assert (launcher.same_host, launcher.lifeline, launcher.output) == (False, False, True)


async def test_the_role_of_the_page_allows_what_is_used_and_no_more(cluster: Any) -> None:
    cluster.node.room = 0
    async with trio.open_nursery() as nursery:
        handle = await nursery.start(_launcher().run, _spec("print('up')"))
        await _until(lambda: ("list", "events") in cluster.asked)
        cluster.node.room = 1
        with trio.fail_after(10):
            await handle.placed()
    assert cluster.asked == _rules()


# -- a pool of it


def _pool(folder: Path, launcher: am_node.Launcher) -> am_node.Supervisor:
    (folder / "nappers.py").write_text(NAPPER)
    return am_node.Supervisor("nappers:Napper", pool=am_node.Pool(2, 3, 1), launcher=launcher)


async def test_a_pool_whose_pods_are_evicted_loses_no_result(cluster: Any, tmp_path: Path) -> None:
    launcher = _launcher(env={"PYTHONPATH": str(tmp_path)})
    inputs = [{"number": number, "pause": 0.01} for number in range(60)]
    found: dict[int, int] = {}
    with trio.fail_after(60):
        async with (
            _pool(tmp_path, launcher) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            async for args, result in client.map(inputs, workers=2, attempts=20):
                assert args["number"] not in found
                found[args["number"]] = result
                if len(found) in (10, 30):
                    running = [
                        pod
                        for pod in cluster.store.all("pods")
                        if pod["status"]["phase"] == "Running"
                    ]
                    cluster.node.evict(running[0], "Evicted", "The node was low on memory.")
            await sup.mach.when("PoolReady")
            assert sup.restarts == 2
    assert found == {number: number * number for number in range(60)}


async def test_a_pod_that_is_deleted_by_others_finishes_its_work(
    cluster: Any, tmp_path: Path
) -> None:
    launcher = _launcher(env={"PYTHONPATH": str(tmp_path)})
    with trio.fail_after(60):
        async with (
            _pool(tmp_path, launcher) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            async with trio.open_nursery() as nursery:

                async def work() -> None:
                    assert await client.work(number=7, pause=1.0) == 49

                nursery.start_soon(work)
                begun = tmp_path / "begun"
                await _until(begun.exists)
                for pod in cluster.store.all("pods"):
                    cluster.delete("pods", pod["metadata"]["name"], None)
            assert begun.read_text() == "7\n"  # once
            await sup.mach.when("PoolReady")
            assert await client.work(number=8) == 64


# -- one pod


async def test_a_pod_tells_its_supervisor_and_its_pool(cluster: Any) -> None:
    async with trio.open_nursery() as nursery:
        spec = _spec("import time; time.sleep(60)", labels=LABELS)
        handle = await nursery.start(_launcher().run, spec)
        (pod,) = cluster.store.all("pods")
        assert pod["metadata"]["name"] == "nw-squarer-a1b2c3"
        told = pod["metadata"]["labels"]
        assert told["am-node/supervisor"] == "ns-Squarer-host-120000-1"
        assert told["am-node/kind"] == "Squarer"
        handle.kill()


async def test_what_a_pod_waits_for_is_told_and_is_no_failure(cluster: Any) -> None:
    cluster.node.room = 0
    ended: list[am_node.ExitInfo] = []
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            async def run(task_status: trio.TaskStatus[am_node.WorkerHandle]) -> None:
                ended.append(await _launcher().run(_spec("print('up')"), task_status))

            handle = await nursery.start(run)
            assert isinstance(handle, am_node.QueuedHandle)
            await _until(lambda: "Insufficient cpu" in handle.pending)
            assert handle.pending.startswith("Unschedulable: 0/1 nodes")
            cluster.node.room = 1
            await handle.placed()
            assert handle.pending == ""
    assert ended[0].ok


async def test_one_that_is_cancelled_while_it_waits_leaves_nothing(cluster: Any) -> None:
    cluster.node.room = 0
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(_launcher().run, _spec("print('up')"))
            await _until(lambda: _phase(cluster) == "Pending")
            nursery.cancel_scope.cancel()


async def test_an_image_that_is_not_there_is_given_up_with_the_reason(cluster: Any) -> None:
    launcher = KubernetesLauncher("nowhere/squarer:1", command=WORKER, start_timeout=0.5)
    with trio.fail_after(20):
        info = await launcher.run(_spec("print('up')"))
    assert not info.ok
    assert "could not start it for 0.5 s" in info.reason
    assert 'ErrImagePull: failed to pull image "nowhere/squarer:1"' in info.reason


async def test_a_worker_that_prints_gets_its_log_through_whole(cluster: Any) -> None:
    code = "for n in range(300): print(n, flush=True); __import__('time').sleep(0.005)"
    lines: list[str] = []
    spec = _spec(code, on_line=lambda stream, text: lines.append(text))
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_launcher().run, spec)
            for seen in (20, 150):
                await _until(lambda seen=seen: len(lines) > seen)
                cluster.cut_streams()
    assert lines == [str(n) for n in range(300)]


async def test_an_end_has_the_cluster_s_words(cluster: Any) -> None:
    ended: list[am_node.ExitInfo] = []
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            async def run(task_status: trio.TaskStatus[am_node.WorkerHandle]) -> None:
                spec = _spec("print('so far', flush=True); import time; time.sleep(60)")
                ended.append(await _launcher().run(spec, task_status))

            handle = await nursery.start(run)
            await handle.placed()
            (pod,) = cluster.store.all("pods")
            await _until(lambda: cluster.node.logs[pod["metadata"]["name"]].lines)
            cluster.node.evict(pod, "Evicted", "The node was low on resource: memory.")
    assert ended[0].signal == 9
    assert ended[0].reason == "Evicted: The node was low on resource: memory."
    assert ended[0].stderr == "so far"


# -- an API server that refuses


async def test_a_server_that_is_busy_is_asked_again(cluster: Any) -> None:
    cluster.refuse_next = {"POST": [429, 429], "GET": [503], "DELETE": [429]}
    with trio.fail_after(20):
        info = await _launcher().run(_spec("print('up')"))
    assert info.ok


@pytest.mark.parametrize("codes", [[403], [429, 500]])
async def test_what_the_server_refuses_to_create_is_an_error_that_says_why(
    cluster: Any, codes: list[int]
) -> None:
    cluster.refuse_next = {"POST": codes}
    with trio.fail_after(20), pytest.raises(OSError, match="the server is busy"):
        await _launcher().run(_spec("print('up')"))


async def test_a_namespace_without_the_right_to_create_pods_says_so(cluster: Any) -> None:
    cluster.rules = _rules() - {("create", "pods")}
    with trio.fail_after(20), pytest.raises(OSError, match=r"403.*cannot create resource 'pods'"):
        await _launcher().run(_spec("print('up')"))


async def test_a_server_that_is_not_there_is_an_error_that_names_it(cluster: Any) -> None:
    launcher = _launcher()
    cluster.__exit__()
    with trio.fail_after(20), pytest.raises(OSError, match=f"{cluster.url} was not reached"):
        await launcher.run(_spec("print('up')"))


async def test_pods_that_ended_long_ago_are_removed(cluster: Any) -> None:
    for number, ended in enumerate(("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z")):
        state = {"terminated": {"exitCode": 75, "finishedAt": ended}}
        labels = {"app.kubernetes.io/managed-by": "am-node"}
        cluster.store.add(
            "pods",
            {
                "metadata": {"name": f"nw-old-{number}", "labels": labels},
                "status": {
                    "phase": "Failed",
                    "containerStatuses": [{"name": "worker", "state": state}],
                },
            },
        )
    with trio.fail_after(20):
        await _launcher().run(_spec("print('up')"))
    assert cluster.left() == ["pods/nw-old-1"]
    cluster.delete("pods", "nw-old-1", 0)
