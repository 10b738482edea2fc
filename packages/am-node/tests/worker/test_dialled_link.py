"""Workers on other hosts dial their supervisor; strangers who do so get nowhere."""

import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trio
import trio.testing
import trustme

import am_node
import am_rpc
from am_node._reverse_call import Purpose, dial, proof
from am_node._supervisor.reverse_listener import Line, ReverseListener
from am_node._worker.dialled_link import DialledListener

pytestmark = pytest.mark.trio


class Napper(am_node.Worker):
    finished: ClassVar[list[int]] = []

    async def work(self, x: int, pause: float = 0.0) -> int:
        await trio.sleep(pause)
        self.finished.append(x)
        return x


class FarLauncher(am_node.MemoryLauncher):
    """Its workers act as if they were on another host; `through` is where they dial, if given.

    What a supervisor does to a worker beyond reach has no effect.
    """

    same_host = False

    def __init__(self, *, through: str = "", beyond_reach: bool = False) -> None:
        super().__init__(Napper)
        self.through = through
        self.beyond_reach = beyond_reach
        self.configs: list[am_node.BootConfig] = []
        self.specs: list[am_node.WorkerSpec] = []
        self.exits: list[am_node.ExitInfo] = []
        self.ended = trio.Event()

    async def run(
        self,
        spec: am_node.WorkerSpec,
        task_status: Any = trio.TASK_STATUS_IGNORED,
    ) -> am_node.ExitInfo:
        config = am_node.BootConfig.from_bytes(spec.config)
        self.configs.append(config)
        self.specs.append(spec)
        if self.through:
            config = config._replace(bootstrap=self.through)
        status = _OutOfReach(task_status) if self.beyond_reach else task_status
        self.exits.append(await super().run(replace(spec, config=config.to_bytes()), status))
        self.ended.set()
        return self.exits[-1]


class _OutOfReach:
    pid = None

    def __init__(self, task_status: Any) -> None:
        self._task_status = task_status

    def started(self, handle: object) -> None:
        self._task_status.started(self)

    def terminate(self) -> None:
        pass

    def kill(self) -> None:
        pass


class Wire:
    """A TCP proxy whose connections can be cut, and which can refuse new ones."""

    def __init__(self) -> None:
        self.addr = ""
        self.target = ""
        self.broken = False
        self.calls = 0
        self._streams: set[trio.SocketStream] = set()
        self._frozen: set[trio.SocketStream] = set()

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.addr = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        task_status.started()
        await trio.serve_listeners(self._carry, listeners)

    def freeze(self) -> None:
        """Let nothing more through on the connections there are, without closing them."""
        self._frozen |= self._streams

    async def cut(self) -> None:
        for stream in tuple(self._streams):
            await trio.aclose_forcefully(stream)

    async def _carry(self, near: trio.SocketStream) -> None:
        self.calls += 1
        if self.broken:
            return
        host, _, port = self.target.rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as far:
            self._streams |= {near, far}
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._copy, near, far, nursery.cancel_scope)
                nursery.start_soon(self._copy, far, near, nursery.cancel_scope)
            self._streams -= {near, far}

    async def _copy(
        self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            async for part in source:
                if source not in self._frozen:
                    await sink.send_all(part)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    async with trio.open_nursery() as nursery:
        await nursery.start(wire.serve)
        yield wire
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def wired(launcher: FarLauncher, wire: Wire, **options: Any) -> AsyncIterator[Any]:
    """A supervisor whose worker's calls go through `wire`."""
    launcher.through = wire.addr
    pool = am_node.Pool(1, 1, 0)
    async with am_node.Supervisor(Napper, pool=pool, launcher=launcher, **options) as sup:
        wire.target = sup._shared.reverse_listener.addr
        await sup.mach.when("PoolReady")
        yield sup


# -- the ordinary way


async def test_a_far_worker_binds_no_private_address_and_works(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    launcher = FarLauncher()
    async with (
        pooled(Napper, launcher=launcher) as sup,
        am_node.Client("c", Napper, supers=[sup.addr]) as client,
    ):
        assert await client.work(x=5) == 5
    assert launcher.configs[0].local_addr == ""
    assert launcher.configs[0].ppid == 0


async def test_a_launcher_is_told_what_workers_need_and_whose_they_are(pooled: Any) -> None:
    launcher = FarLauncher()
    needs = am_node.Resources(cpus=2, memory=2**30)
    async with pooled(Napper, launcher=launcher, resources=needs) as sup:
        (spec,) = launcher.specs
        assert spec.resources == needs
        assert spec.labels == {"kind": "Napper", "supervisor": sup.mach.id}


async def test_calls_are_encrypted_if_there_is_a_certificate(
    pooled: Any, tmp_path: Path, clock: trio.abc.Clock
) -> None:
    pem = tmp_path / "pool.pem"
    trustme.CA().issue_cert("elsewhere.example").private_key_and_cert_chain_pem.write_to_path(
        str(pem)
    )
    async with pooled(Napper, launcher=FarLauncher(), tls=am_node.Tls(pem)) as sup:
        addr = sup._shared.reverse_listener.addr
        (slot,) = sup._shared
        with pytest.raises((OSError, trio.BrokenResourceError)), trio.fail_after(60):
            await dial(addr, Purpose.LINK, slot.id, b"any", None)


async def test_a_worker_that_binds_everything_is_known_by_where_it_calls_from(pooled: Any) -> None:
    async with (
        pooled(Napper, launcher=FarLauncher(), worker_host="0.0.0.0", secret=b"s" * 20) as sup,
        am_node.Client("c", Napper, supers=[sup.addr], secret=b"s" * 20) as client,
    ):
        assert await client.work(x=1) == 1
        (slot,) = sup._shared
        assert slot.public_addr.startswith("127.0.0.1:")


async def test_a_local_worker_that_binds_everything_is_where_its_supervisor_is(
    pooled: Any,
) -> None:
    class Wide(am_node.MemoryLauncher):
        """Its workers listen on TCP, as processes do."""

        async def run(
            self, spec: am_node.WorkerSpec, task_status: Any = trio.TASK_STATUS_IGNORED
        ) -> am_node.ExitInfo:
            self.config = am_node.BootConfig.from_bytes(spec.config)
            return await super().run(spec, task_status)

    launcher = Wide(Napper)
    async with pooled(Napper, launcher=launcher, addr="0.0.0.0:0", secret=b"s" * 20):
        assert launcher.config.public_addr == "0.0.0.0:0"


async def test_an_address_for_workers_that_is_taken_is_a_network_error() -> None:
    (taken,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with taken:
        addr = f"127.0.0.1:{taken.socket.getsockname()[1]}"
        supervisor = am_node.Supervisor(Napper, launcher=FarLauncher(), link_addr=addr)
        with pytest.raises(am_rpc.NetworkError, match="cannot be listened on"):
            async with supervisor:
                raise AssertionError("it started")
    assert supervisor.mach.disposed


# -- links that break


async def test_a_cut_link_is_dialled_again_and_the_worker_lives_on(
    wire: Wire, clock: trio.abc.Clock
) -> None:
    launcher = FarLauncher()
    async with wired(launcher, wire) as sup:
        (before,) = await sup.workers()
        host = launcher.hosts[before.id]
        for _ in range(3):
            gone = host.mach.when_not("SuperConnected")
            await wire.cut()
            await gone
            await host.mach.when("SuperConnected")
            await sup.mach.when("PoolReady")
        (after,) = await sup.workers()
        assert after.id == before.id
        assert sup.restarts == 0
        async with am_node.Client("c", Napper, supers=[sup.addr]) as client:
            assert await client.work(x=7) == 7


async def test_a_link_that_went_silent_is_replaced_before_its_worker_is(
    wire: Wire, clock: trio.abc.Clock
) -> None:
    launcher = FarLauncher()
    async with wired(launcher, wire) as sup:
        (before,) = await sup.workers()
        host = launcher.hosts[before.id]
        wire.freeze()
        await host.mach.when_not("SuperConnected")
        await host.mach.when("SuperConnected")
        await trio.sleep(20)
        assert [info.id for info in await sup.workers()] == [before.id]
        assert sup.restarts == 0


async def test_a_new_call_replaces_the_link_before_it() -> None:
    async with reverse_listener() as board, expected(board, 5) as line:
        old = await dial(board.addr, Purpose.LINK, "worker", TOKEN, None)
        taken = await line.link()
        new = await dial(board.addr, Purpose.LINK, "worker", TOKEN, None)
        assert await old.receive_some(1) == b""
        with pytest.raises(trio.ClosedResourceError):
            await taken.receive_some(1)
        again = await line.link()
        await again.send_all(b"x")
        assert await new.receive_some(1) == b"x"
        for stream in (old, new, again):
            await stream.aclose()


async def test_a_worker_without_lifeline_ends_when_its_link_is_gone_for_30_seconds(
    wire: Wire, clock: trio.abc.Clock
) -> None:
    launcher = FarLauncher(beyond_reach=True)
    async with wired(launcher, wire) as sup:
        (worker,) = await sup.workers()
        host = launcher.hosts[worker.id]
        gone = host.mach.when_not("SuperConnected")
        wire.broken = True
        await wire.cut()
        await gone
        began = trio.current_time()
        await host.orphaned.wait()
        assert trio.current_time() - began == pytest.approx(30, abs=0.5)
        await host.mach.when_disposed()
        assert trio.current_time() - began < 32
        await launcher.ended.wait()
        assert launcher.exits[0].code == 75
        sup.mach.add("Draining")


async def test_an_orphan_lets_running_work_end_first(wire: Wire, clock: trio.abc.Clock) -> None:
    launcher = FarLauncher(beyond_reach=True)
    async with (
        wired(launcher, wire) as sup,
        am_node.Client("c", Napper, supers=[sup.addr]) as client,
        trio.open_nursery() as nursery,
    ):
        await client.request_worker()

        async def call() -> None:
            with pytest.raises(am_node.WorkerLost):
                await client.work(x=333, pause=33.0, attempts=1)

        nursery.start_soon(call)
        host = next(iter(launcher.hosts.values()))
        await host.mach.when("Working")
        wire.broken = True
        await wire.cut()
        await host.orphaned.wait()
        assert host.mach.is_("Working")
        assert 333 not in Napper.finished
        await host.mach.when_disposed()
        assert 333 in Napper.finished
        nursery.cancel_scope.cancel()


async def test_a_worker_whose_link_comes_back_in_time_is_no_orphan(
    wire: Wire, clock: trio.abc.Clock
) -> None:
    timing = am_node.Timing(conn_timeout=60.0)
    launcher = FarLauncher()
    async with wired(launcher, wire, timing=timing) as sup:
        (worker,) = await sup.workers()
        host = launcher.hosts[worker.id]
        for _ in range(2):
            wire.broken = True
            await wire.cut()
            await host.mach.when_not("SuperConnected")
            await trio.sleep(25)
            wire.broken = False
            await host.mach.when("SuperConnected")
        assert not host.orphaned.is_set()
        assert (await sup.workers())[0].id == worker.id


async def test_pauses_between_calls_grow_and_closing_ends_them(autojump_clock: Any) -> None:
    times: list[float] = []

    async def call() -> trio.abc.Stream:
        times.append(trio.current_time())
        raise OSError("nobody there")

    listener = DialledListener(call)
    async with trio.open_nursery() as nursery:

        async def accept() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await listener.accept()

        nursery.start_soon(accept)
        await trio.sleep(10)
        await listener.aclose()
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[0] == pytest.approx(0.1)
    assert max(pauses) == pytest.approx(2.0)
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()


async def test_a_supervisor_that_hangs_up_at_once_is_not_called_without_a_pause(
    autojump_clock: Any,
) -> None:
    times: list[float] = []

    async def call() -> trio.abc.Stream:
        times.append(trio.current_time())
        return trio.testing.memory_stream_pair()[0]

    listener = DialledListener(call)
    while trio.current_time() < 30:
        await (await listener.accept()).aclose()
    assert len(times) < 25
    # A link that lasted is made again at once.
    stream = await listener.accept()
    await trio.sleep(60)
    await stream.aclose()
    lost = trio.current_time()
    await (await listener.accept()).aclose()
    assert times[-1] == lost


# -- strangers


@asynccontextmanager
async def reverse_listener() -> AsyncIterator[ReverseListener]:
    board = ReverseListener("127.0.0.1:0", None)
    await board.open()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(board.serve)
        yield board
        nursery.cancel_scope.cancel()


TOKEN = b"t" * 32


@asynccontextmanager
async def expected(board: ReverseListener, seconds: float) -> AsyncIterator[Line]:
    """The line of one worker, for so long at most."""
    with trio.fail_after(seconds):
        async with board.line("worker", TOKEN) as line:
            yield line


async def _call(board: ReverseListener, letter: bytes, name: bytes, mac: bytes | None) -> bytes:
    """Say what the worker `name` would say, with this mac or the right one; returns the answer."""
    host, _, port = board.addr.rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        nonce = bytes(await stream.receive_some(32))
        right = proof(TOKEN, Purpose.LINK, nonce, name)
        await stream.send_all(struct.pack(">cH", letter, len(name)) + name + (mac or right))
        try:
            return bytes(await stream.receive_some(10))
        except trio.BrokenResourceError:  # cut with something of ours unread
            return b""


@pytest.mark.parametrize(
    ("letter", "name", "mac"),
    [
        (b"L", b"worker", b"x" * 32),
        (b"R", b"worker", None),  # the proof is for another purpose
        (b"X", b"worker", None),
        (b"L", b"nobody", None),
        (b"L", b"\xff\xfe", None),
        (b"L", b"w" * 600, None),
    ],
)
async def test_a_stranger_is_cut_without_an_answer(letter: bytes, name: bytes, mac: Any) -> None:
    async with reverse_listener() as board, expected(board, 5) as line:
        assert await _call(board, letter, name, mac) == b""
        stream = await dial(board.addr, Purpose.LINK, "worker", TOKEN, None)
        taken = await line.link()
        await taken.send_all(b"hello")
        assert await stream.receive_some(5) == b"hello"
        await stream.aclose()
        await taken.aclose()


async def test_one_who_says_nothing_is_cut_after_five_seconds(clock: trio.abc.Clock) -> None:
    async with reverse_listener() as board:
        host, _, port = board.addr.rpartition(":")
        began = trio.current_time()
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            assert len(await stream.receive_some(32)) == 32
            assert await stream.receive_some(1) == b""
        assert trio.current_time() - began == pytest.approx(5, abs=0.5)


async def test_silent_strangers_do_not_keep_a_worker_out(clock: trio.abc.Clock) -> None:
    async with reverse_listener() as board:
        host, _, port = board.addr.rpartition(":")
        strangers = [await trio.open_tcp_stream(host, int(port)) for _ in range(70)]
        async with expected(board, 20) as line:
            while True:
                try:
                    stream = await dial(board.addr, Purpose.LINK, "worker", TOKEN, None)
                    break
                except trio.BrokenResourceError:
                    await trio.sleep(1)
            taken = await line.link()
            for one in (*strangers, stream, taken):
                await one.aclose()


async def test_streams_that_nobody_takes_are_bounded_and_closed() -> None:
    async with reverse_listener() as board, expected(board, 5) as line:
        streams = [await dial(board.addr, Purpose.REPORT, "worker", TOKEN, None) for _ in range(5)]
        # Four wait, the fifth is one too many.
        assert await streams[4].receive_some(1) == b""
        await line.aclose()
        for stream in streams:
            assert await stream.receive_some(1) == b""
            await stream.aclose()
