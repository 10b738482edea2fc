"""The conformance suite of launchers.

Each check starts real workers through a launcher, with a bootstrap to report to and, where it
matters, a private link. What a launcher says of itself decides what is expected of it, so every
check applies to every launcher:

* `lifeline`: a worker whose supervisor is gone ends because its stdin did, even while it blocks its
  event loop; without it, because its private link did.
* `output`: what a worker prints arrives; without it, nothing is claimed to.
"""

from __future__ import annotations

import secrets
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import trio

import am_helpers as amh
import am_machine as am
import am_rpc

from .._boot import BootConfig, module_path
from .._entry import entry_point_of
from .._errors import NodeError
from .._launchers.base import ExitInfo, Launcher, WorkerHandle, WorkerSpec
from .._names import wire_id
from .._settings import Timing
from .._supervisor.bootstrap import Addresses, Bootstrap
from .._supervisor.reverse_listener import Line, ReverseListener
from .._supervisor.runtime_dir import runtime_directory
from .._worker.lifeline import EXIT_ORPHANED
from .._worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXIT_FAILED = 70
LOCAL = "127.0.0.1:0"
PATIENCE = 20.0
_LONG = 60.0
_SHORT = 0.3


class Obedient(Worker):
    """Says that it is up, and ends when it is told to."""

    def ReadyState(self, e: am.Event) -> None:
        """Print a line."""
        print("up", flush=True)


class Failing(Worker):
    """Cannot be made."""

    def __init__(self) -> None:
        print("up", flush=True)
        raise NodeError("no luck")


class Stubborn(Worker):
    """Never has nothing to do, so it takes its whole time to drain."""

    def IdleEnter(self, e: am.Event) -> bool:
        """Refuse."""
        return False


class Blocking(Stubborn):
    """Blocks its event loop, too, once it is linked."""

    def HealthcheckState(self, e: am.Event) -> None:
        """Block after the answer to this."""
        self.mach.fork(self._block)

    async def _block(self) -> None:
        await trio.sleep(_SHORT)
        time.sleep(_LONG)  # noqa: ASYNC251 - blocking is what this is for


class LauncherCheck(Protocol):
    """One line of the suite.

    `link_addr` is what workers on other hosts dial, `patience` the seconds a worker may need for
    anything.

    :raises AssertionError: if the launcher does not conform.
    :raises trio.TooSlowError: if it does not answer in time.
    """

    __name__: str

    async def __call__(
        self, launcher: Launcher, *, link_addr: str = LOCAL, patience: float = PATIENCE
    ) -> None: ...


class _Trial:
    """One worker under test: its handle, the lines it printed, how it ended."""

    def __init__(self, launcher: Launcher, bootstrap: Bootstrap, line: Line | None) -> None:
        self._launcher = launcher
        self._bootstrap = bootstrap
        self._line = line
        self.super_id = f"check-{secrets.token_hex(3)}"
        self.link_token = secrets.token_bytes(32) if line is None else line.token
        self.lines: list[tuple[str, str]] = []
        self.up = trio.Event()
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self.exit: ExitInfo | None = None
        self.handle: WorkerHandle

    def take_line(self, stream: str, text: str) -> None:
        self.lines.append((stream, text))
        if (stream, text) == ("stdout", "up"):
            self.up.set()

    async def run(
        self,
        spec: WorkerSpec,
        task_status: trio.TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        try:
            with self.scope:
                self.exit = await self._launcher.run(spec, task_status)
        finally:
            self.ended.set()

    async def report(self) -> Addresses:
        """Wait for the worker's addresses; one that ends before has not come up."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_ended, nursery.cancel_scope)
            addresses = await self._bootstrap.report()
            nursery.cancel_scope.cancel()
            return addresses
        raise AssertionError(f"the worker did not report: {self.exit}, it printed {self.lines}")

    async def _until_ended(self, scope: trio.CancelScope) -> None:
        await self.ended.wait()
        scope.cancel()

    @asynccontextmanager
    async def linked(self, addresses: Addresses) -> AsyncIterator[None]:
        """Hold the private link, and be sure that the worker knows."""
        way = addresses.local if self._line is None else self._line.link
        async with am_rpc.Client(way, id=self.super_id, secret=self.link_token) as client:
            net = await client.ready(PATIENCE)
            await net.add("Healthcheck")
            yield


@asynccontextmanager
async def _trial(
    launcher: Launcher, worker: type[Worker], link_addr: str, patience: float, **timing: float
) -> AsyncIterator[_Trial]:
    worker_id = f"nw-check-{secrets.token_hex(3)}"
    mach = am.Machine(amh.Basic, id=f"{worker_id}-check")
    with trio.fail_after(patience), runtime_directory() as directory:
        async with mach, trio.open_nursery() as nursery, AsyncExitStack() as stack:
            bootstrap = Bootstrap(worker_id, mach)
            line: Line | None = None
            if launcher.same_host:
                address = f"unix:{directory.path}/b"
                await nursery.start(bootstrap.serve, address)
            else:
                board = ReverseListener(link_addr, None)
                await board.open()
                nursery.start_soon(board.serve)
                address = board.addr
                token = secrets.token_bytes(32)
                line = await stack.enter_async_context(board.line(worker_id, token))
                await nursery.start(bootstrap.serve, None, line.reports)
            trial = _Trial(launcher, bootstrap, line)
            config = BootConfig(
                bootstrap=address,
                token=bootstrap.token,
                kind="check",
                entry=entry_point_of(worker),
                worker_id=worker_id,
                super_id=wire_id(trial.super_id),
                link_token=trial.link_token,
                local_addr=f"unix:{directory.path}/w" if launcher.same_host else "",
                public_addr=LOCAL,
                lifeline=launcher.lifeline,
                path=module_path(sys.path) if launcher.same_host else (),
                timing=asdict(Timing(**timing)),
            )
            spec = WorkerSpec(worker_id, config.to_bytes(), on_line=trial.take_line)
            trial.handle = await nursery.start(trial.run, spec)
            yield trial
            await trial.ended.wait()
            nursery.cancel_scope.cancel()


async def check_start_and_report(
    launcher: Launcher, *, link_addr: str = LOCAL, patience: float = PATIENCE
) -> None:
    """A handle is reported, the worker gets its configuration, comes up and reports."""
    async with _trial(launcher, Obedient, link_addr, patience) as trial:
        addresses = await trial.report()
        assert addresses.public
        pid = trial.handle.pid
        assert pid is None or pid > 0
        if launcher.output:
            await trial.up.wait()
        trial.handle.kill()


async def check_terminate(
    launcher: Launcher, *, link_addr: str = LOCAL, patience: float = PATIENCE
) -> None:
    """Terminating asks the worker to drain, after which it ends by itself with 0."""
    async with _trial(launcher, Obedient, link_addr, patience) as trial:
        addresses = await trial.report()
        async with trial.linked(addresses):
            trial.handle.terminate()
            await trial.ended.wait()
    assert trial.exit is not None
    assert trial.exit.ok, trial.exit


async def check_exit_code_and_output(
    launcher: Launcher, *, link_addr: str = LOCAL, patience: float = PATIENCE
) -> None:
    """The exit code is told, and what the worker printed, its stderr in `ExitInfo`, too."""
    async with _trial(launcher, Failing, link_addr, patience) as trial:
        await trial.ended.wait()
    assert trial.exit is not None
    assert trial.exit.code == EXIT_FAILED, trial.exit
    assert not trial.exit.ok
    assert (("stdout", "up") in trial.lines) == launcher.output, trial.lines
    if launcher.output:
        assert "no luck" in trial.exit.stderr
        assert any("no luck" in text for _, text in trial.lines)


async def check_kill(
    launcher: Launcher, *, link_addr: str = LOCAL, patience: float = PATIENCE
) -> None:
    """A worker that ignores everything is killed; the handle stays harmless after that."""
    long = {"orphan_grace": _LONG, "drain_timeout": _LONG}
    async with _trial(launcher, Stubborn, link_addr, patience, **long) as trial:
        addresses = await trial.report()
        trial.handle.terminate()
        with trio.move_on_after(_SHORT):
            await trial.ended.wait()
        assert not trial.ended.is_set(), trial.exit
        trial.handle.kill()
        await trial.ended.wait()
        assert not await _answers(addresses.public)
    assert trial.exit is not None
    assert not trial.exit.ok
    trial.handle.kill()
    trial.handle.terminate()


async def check_cancel(
    launcher: Launcher, *, link_addr: str = LOCAL, patience: float = PATIENCE
) -> None:
    """Cancelling ``run`` kills the worker and returns only when it is gone."""
    long = {"orphan_grace": _LONG, "drain_timeout": _LONG}
    async with _trial(launcher, Stubborn, link_addr, patience, **long) as trial:
        addresses = await trial.report()
        trial.scope.cancel()
        await trial.ended.wait()
        assert not await _answers(addresses.public)
    assert trial.exit is None


async def check_lost_supervisor(
    launcher: Launcher, *, link_addr: str = LOCAL, patience: float = PATIENCE
) -> None:
    """A worker without its supervisor ends, with code 75: after its lifeline, or its link."""
    if launcher.lifeline:
        short = {"orphan_grace": _SHORT}
        async with _trial(launcher, Blocking, link_addr, patience, **short) as trial:
            addresses = await trial.report()
            async with trial.linked(addresses):
                await trio.sleep(2 * _SHORT)  # it takes its time to block, which is no event
                trial.handle.terminate()
                await trial.ended.wait()
    else:
        short = {"remote_orphan_timeout": _SHORT, "drain_timeout": _SHORT}
        async with _trial(launcher, Stubborn, link_addr, patience, **short) as trial:
            await trial.ended.wait()
    assert trial.exit is not None
    assert trial.exit.code == EXIT_ORPHANED, trial.exit


async def _answers(addr: str) -> bool:
    try:
        if addr.startswith("unix:"):
            stream: trio.abc.Stream = await trio.open_unix_socket(addr.removeprefix("unix:"))
        else:
            host, _, port = addr.rpartition(":")
            stream = await trio.open_tcp_stream(host, int(port))
    except OSError:
        return False
    await trio.aclose_forcefully(stream)
    return True


LAUNCHER_CHECKS: tuple[LauncherCheck, ...] = (
    check_start_and_report,
    check_terminate,
    check_exit_code_and_output,
    check_kill,
    check_cancel,
    check_lost_supervisor,
)
