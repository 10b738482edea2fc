"""A pod whose cluster does not answer, or late: with a cluster in memory, and no waiting."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio

import am_node
from am_node._launchers.kubernetes.api import Api, ApiError
from am_node._launchers.kubernetes.pod import Pod

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.trio

Thing = dict[str, Any]
SECRET: Thing = {"metadata": {"name": "nw-1"}}
POD: Thing = {"metadata": {"name": "nw-1"}}


class Memory:
    """Calls that are carried out, or fail as they are told to."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.calls: list[tuple[str, str, object]] = []
        # Of calls by verb and kind, what comes next: an error, or None.
        self.next: dict[tuple[str, str], list[OSError | None]] = {}
        # A pod whose node is gone stays, unless it is to be forgotten.
        self.is_lost = False
        # Seconds after which a pod is there whose creation was answered by an error.
        self.late: float | None = None
        self.nursery: trio.Nursery

    async def _do(self, verb: str, kind: str, detail: object = None) -> None:
        await trio.lowlevel.checkpoint()
        self.calls.append((verb, kind, detail))
        waiting = self.next.get((verb, kind))
        if waiting and (error := waiting.pop(0)):
            if self.late is not None:
                self.nursery.start_soon(self._appear, kind, self.late)
            raise error

    async def _appear(self, kind: str, seconds: float) -> None:
        await trio.sleep(seconds)
        self.there.add(kind)

    async def create(self, kind: str, manifest: Thing) -> Thing:
        await self._do("create", kind)
        self.there.add(kind)
        return {"metadata": {**manifest["metadata"], "uid": "1", "resourceVersion": "1"}}

    async def patch(self, kind: str, name: str, changes: Thing) -> None:
        await self._do("patch", kind)

    async def get(self, kind: str, name: str) -> Thing | None:
        await self._do("get", kind)
        return dict(POD) if kind in self.there else None

    async def list(self, kind: str, **selectors: str) -> list[Thing]:
        await self._do("list", kind)
        return []

    async def delete(self, kind: str, name: str, grace: int | None = None) -> bool:
        await self._do("delete", kind, grace)
        was_there = kind in self.there
        if not (kind == "pods" and self.is_lost and grace != 0):
            self.there.discard(kind)
        return was_there

    async def watch(self, kind: str, thing: Thing) -> AsyncGenerator[tuple[str, Thing], None]:
        await self._do("watch", kind)
        await trio.sleep_forever()
        yield "", {}


def _pod(memory: Memory) -> Pod:
    return Pod(cast("Api", memory), "nw-1", am_node.WorkerSpec("nw-1", b""), 60.0)


async def test_pod_and_secret_are_deleted_with_a_second_of_grace(
    autojump_clock: trio.testing.MockClock,
) -> None:
    memory = Memory()
    pod = _pod(memory)
    await pod.create(SECRET, POD)
    assert memory.there == {"secrets", "pods"}
    await pod.remove()
    assert memory.there == set()
    assert ("delete", "pods", 1) in memory.calls


async def test_one_whose_node_does_not_answer_is_forgotten_after_half_a_minute(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory()
    memory.is_lost = True
    pod = _pod(memory)
    await pod.create(SECRET, POD)
    began = trio.current_time()
    with caplog.at_level(logging.WARNING, "am_node"):
        await pod.remove()
    assert 30 <= trio.current_time() - began <= 31
    assert memory.there == set()
    assert "nw-1 does not end" in caplog.text


async def test_one_that_was_refused_is_not_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    memory = Memory()
    memory.next = {("create", "pods"): [ApiError(403, "quota exceeded")]}
    pod = _pod(memory)
    with pytest.raises(OSError, match="quota exceeded"):
        await pod.create(SECRET, POD)
    began = trio.current_time()
    await pod.remove()
    assert trio.current_time() == began
    assert memory.there == set()


@pytest.mark.parametrize("error", [OSError("the answer is lost"), ApiError(504, "too late")])
async def test_one_that_comes_to_be_after_all_is_removed(
    autojump_clock: trio.testing.MockClock, error: OSError
) -> None:
    memory = Memory()
    memory.next = {("create", "pods"): [error]}
    memory.late = 3.0
    async with trio.open_nursery() as memory.nursery:
        pod = _pod(memory)
        with pytest.raises(OSError, match=r"."):
            await pod.create(SECRET, POD)
        await pod.remove()
        memory.late = None
    assert memory.there == set()


async def test_deleting_goes_on_until_the_server_is_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    memory = Memory()
    pod = _pod(memory)
    await pod.create(SECRET, POD)
    away = [OSError("away")] * 10
    memory.next = {("delete", "pods"): list(away), ("get", "pods"): list(away)}
    await pod.remove()
    assert memory.there == set()


async def test_one_that_is_cancelled_while_it_is_created_is_known_and_removed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    memory = Memory()
    pod = _pod(memory)
    with trio.CancelScope() as scope:
        scope.cancel()
        await pod.create(SECRET, POD)
    assert scope.cancelled_caught
    await pod.remove()
    assert memory.there == set()


async def test_a_server_that_is_away_ends_no_worker(
    autojump_clock: trio.testing.MockClock,
) -> None:
    memory = Memory()
    pod = _pod(memory)
    await pod.create(SECRET, POD)
    memory.next = {("get", "pods"): [OSError("away")] * 100}
    with trio.move_on_after(50) as scope:
        await pod.follow()
    assert scope.cancelled_caught
    pod.kill()
    with trio.fail_after(200):
        info = await pod.follow()
    assert "the pod was deleted" in info.reason
