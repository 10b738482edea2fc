"""The link between a client and its worker is cut in the middle of something large."""

import hashlib
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

import am_machine as am
import am_node

pytestmark = [pytest.mark.process, pytest.mark.trio]

MIB = 2**20
WORKERS = textwrap.dedent("""\
    import hashlib
    import am_node, trio

    class Mill(am_node.Worker):
        runs = 0

        async def work(self, size: int = 0, data: bytes = b"", news: int = 0, pause: float = 0.0):
            self.runs += 1
            if news:
                self.send("news", b"n" * news)
            await trio.sleep(pause)
            return [self.runs, hashlib.sha256(data).digest(), b"ab"[size % 2:size % 2 + 1] * size]
    """)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "mills.py").write_text(WORKERS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


class Scissors:
    """Forwards connections to `target`; cuts one after so many bytes from the worker (``down``)
    or from the client (``up``).
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self.addr = ""
        self.after: dict[str, list[int]] = {"up": [], "down": []}
        self.connections = 0
        self._open: set[trio.CancelScope] = set()

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.addr = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        await trio.serve_listeners(self._forward, listeners, task_status=task_status)

    def cut(self) -> None:
        """Close every connection, between two messages."""
        for scope in self._open:
            scope.cancel()

    async def _forward(self, client: trio.SocketStream) -> None:
        self.connections += 1
        async with (
            client,
            await trio.open_tcp_stream(*self._target) as worker,
            trio.open_nursery() as nursery,
        ):

            async def pump(source: trio.SocketStream, sink: trio.SocketStream, way: str) -> None:
                try:
                    async for data in source:
                        limits = self.after[way]
                        whole = not limits or len(data) < limits[0]
                        await sink.send_all(data if whole else data[: limits[0]])
                        if not whole:
                            limits.pop(0)
                            break
                        if limits:
                            limits[0] -= len(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass
                nursery.cancel_scope.cancel()

            self._open.add(nursery.cancel_scope)
            nursery.start_soon(pump, client, worker, "up")
            nursery.start_soon(pump, worker, client, "down")


class ThroughScissors(am_node.Client):
    """A client whose way to its worker leads through a proxy."""

    def __init__(self, *args: Any, scissors: Scissors, **options: Any) -> None:
        super().__init__(*args, **options)
        self._scissors = scissors
        self.news: list[int] = []

    def ServerPayloadState(self, e: am.Event) -> None:
        """Point the contract of a lease to the proxy; count the worker's own payloads."""
        if e.args["name"] == "ProvideWorker":
            e.args["data"].update(addr=self._scissors.addr, near="")
        elif e.args["name"] == "news":
            self.news.append(len(e.args["data"]))


@asynccontextmanager
async def _cut_off() -> AsyncIterator[tuple[ThroughScissors, Scissors]]:
    pool = am_node.Pool(1, 1, 0)
    async with (
        am_node.Supervisor("mills:Mill", addr="127.0.0.1:0", pool=pool) as sup,
        trio.open_nursery() as nursery,
    ):
        await sup.mach.when("PoolReady")
        (addr,) = (slot.public_addr for slot in sup._shared)
        scissors = Scissors(addr)
        await nursery.start(scissors.serve)
        async with ThroughScissors("c", supers=[sup.addr], scissors=scissors) as client:
            yield client, scissors
        nursery.cancel_scope.cancel()
        assert sup.restarts == 0


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [1, 3])
@pytest.mark.parametrize("mib", [1, 24, 63])
async def test_a_result_cut_in_the_middle_arrives_whole_and_once(
    folder: Path, mib: int, cuts: int
) -> None:
    size = mib * MIB + 1
    with trio.fail_after(60):
        async with _cut_off() as (client, scissors):
            assert (await client.work())[0] == 1
            scissors.after["down"] = [size // 2] * cuts
            runs, _, data = await client.work(size=size)
            assert data == b"b" * size
            assert runs == 2
            assert (scissors.after["down"], scissors.connections) == ([], cuts + 1)
            assert (await client.work())[0] == 3


@pytest.mark.slow
async def test_a_request_cut_in_the_middle_is_run_once(folder: Path) -> None:
    data = b"d" * 60_000
    with trio.fail_after(60):
        async with _cut_off() as (client, scissors):
            assert (await client.work())[0] == 1
            scissors.after["up"] = [len(data) // 2]
            runs, digest, _ = await client.work(data=data)
            assert digest == hashlib.sha256(data).digest()
            assert runs == 2
            assert (scissors.after["up"], scissors.connections) == ([], 2)


@pytest.mark.slow
async def test_a_payload_of_the_workers_own_cut_in_the_middle_arrives_once(folder: Path) -> None:
    with trio.fail_after(60):
        async with _cut_off() as (client, scissors):
            assert (await client.work())[0] == 1
            scissors.after["down"] = [8 * MIB]
            assert (await client.work(news=16 * MIB))[0] == 2
            while not client.news:  # noqa: ASYNC110 - news has no order with answers
                await trio.sleep(0.02)
            await trio.sleep(0.5)
            assert client.news == [16 * MIB]
            assert (scissors.after["down"], scissors.connections) == ([], 2)


@pytest.mark.slow
async def test_a_link_that_ends_between_two_messages_does_not_cost_the_running_work(
    folder: Path,
) -> None:
    with trio.fail_after(60):
        async with _cut_off() as (client, scissors):
            assert (await client.work())[0] == 1
            (worker,) = client.workers
            async with trio.open_nursery() as nursery:

                async def call() -> None:
                    assert (await client.work(pause=1.0, attempts=1))[0] == 2

                nursery.start_soon(call)
                await trio.sleep(0.4)
                scissors.cut()
            assert client.workers == (worker,)
            assert scissors.connections == 2
