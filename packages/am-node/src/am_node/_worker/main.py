"""A worker process, from its first line to its exit code."""

from __future__ import annotations

import contextlib
import os
import signal as signals
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

import trio

from .._boot import BootConfig, read_boot_config, refuse_other_version
from .._entry import EXIT_ENTRY, load_entry_point, loading_worker
from .._errors import EntryPointError, NodeError
from .._escape import printable
from .._log import show_machines
from .background import in_background
from .host import WorkerHost
from .lifeline import EXIT_ORPHANED, dead_mans_switch, die_with_parent, lifeline, take_stdin
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

EXIT_FAILED = 70
_ALIVE_INTERVAL = 0.2
# Seconds that a worker's process takes to end at most, once the worker has ended.
_LAST_WORDS = 1.0
# A process is one worker at most; this asks it to drain.
_drain: Callable[[], None] | None = None


def run_worker(
    worker: type[Worker] | None = None, leave: Callable[[int], NoReturn] | None = None
) -> NoReturn:
    """Be a worker process: read the boot configuration, serve, exit.

    The class comes from the configuration unless it is given. Exit codes: 0 after draining, 70 if
    the worker could not come up (the reason is the last line on stderr), 78 if its class cannot be
    imported, 75 if the supervisor vanished. The process then ends as every program does, but within
    a second whatever threads its work left behind; outside the main thread it ends at once.
    `leave`, such as `sys.exit`, is called with the code instead, for programs with something to do
    after that. Outside the main thread no signals are handled: see `drain_worker`.
    """
    try:
        config = read_boot_config()
        refuse_other_version(config)
        line = take_stdin() if config.lifeline else None
        die_with_parent(config.ppid)
        if config.rlimits:
            # Here, as few pools have any.
            from .rlimits import apply_rlimits

            apply_rlimits(config.rlimits)
        # At the end: what a worker needs itself comes from where its interpreter finds it.
        sys.path += [path for path in config.path if path not in sys.path]
        cls = worker or _worker_class(config.entry)
        with _own_signals(restore=leave is not None):
            code = _serve(cls, config, line)
    except NodeError as exc:
        print(f"am_node: {printable(str(exc))}", file=sys.stderr, flush=True)
        code = EXIT_ENTRY if _is_final(exc) else EXIT_FAILED
    (leave or _exit)(code)


def _is_final(exc: NodeError) -> bool:
    """Whether it would be the same for the next worker: its class cannot be imported.

    Not if the system refused something, such as memory or a file, which it may give another time.
    """
    return isinstance(exc, EntryPointError) and not isinstance(
        exc.__cause__, (OSError, MemoryError)
    )


def _exit(code: int) -> NoReturn:
    if _handles_signals():
        # What reports on this process has its last word at the end of the interpreter; a thread
        # that work left behind would keep that from ending.
        last = threading.Timer(_LAST_WORDS, _exit_now, (code,))
        last.daemon = True
        last.start()
        sys.exit(code)
    _exit_now(code)


def _exit_now(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads what an orphan prints
            stream.flush()
    os._exit(code)


def _worker_class(entry: str) -> type[Worker]:
    worker = os.getpid()
    with loading_worker():
        cls = load_entry_point(entry)
    if os.getpid() != worker:
        _end_twins(worker, entry)
    if not issubclass(cls, Worker):
        raise EntryPointError(f"{entry} is not a subclass of am_node.Worker")
    return cls


def _end_twins(worker: int, entry: str) -> NoReturn:
    """End a copy that the import made of this process, and its original: they share one identity.

    Only the copy can tell that it is one, so it ends both, with the reason as the last line.
    """
    print(f"am_node: importing {entry} forked a copy of the worker", file=sys.stderr, flush=True)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signals.SIGABRT)
    _exit(EXIT_FAILED)


def drain_worker() -> None:
    """Have the worker that runs in this process finish its work and end; from any thread.

    `SIGTERM` does this, too, where `run_worker` runs in the main thread. Nothing happens if no
    worker runs.
    """
    drain = _drain
    if drain is not None:
        with contextlib.suppress(trio.RunFinishedError):
            drain()


@contextlib.contextmanager
def _own_signals(restore: bool) -> Iterator[None]:
    """Take what a worker does with signals back at the end, for programs that go on after it."""
    if not _handles_signals():
        yield
        return
    taken = (signals.SIGINT, signals.SIGTERM, signals.SIGCHLD)
    before = {number: signals.getsignal(number) for number in taken}
    # The terminal sends SIGINT to everyone; the supervisor decides what it means. Not SIG_IGN,
    # which programs that work starts would inherit.
    signals.signal(signals.SIGINT, _nothing)
    # Whoever ignores the ends of its children is not told of them; that is inherited, too.
    signals.signal(signals.SIGCHLD, signals.SIG_DFL)
    try:
        yield
    finally:
        if restore:
            for number, handler in before.items():
                signals.signal(number, signals.SIG_DFL if handler is None else handler)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal by doing nothing."""


def _handles_signals() -> bool:
    return threading.current_thread() is threading.main_thread()


def _serve(cls: type[Worker], config: BootConfig, line: int | None) -> int:
    show_machines(config.log_level)
    with in_background() if cls.background else contextlib.nullcontext():
        return trio.run(_main, cls, config, line)


async def _main(cls: type[Worker], config: BootConfig, line: int | None) -> int:
    global _drain
    host = WorkerHost(cls(), config)
    soon = trio.lowlevel.current_trio_token().run_sync_soon

    def drain() -> None:
        soon(host.drain, idempotent=True)

    _drain = drain
    if _handles_signals():
        # It stays until the process ends: a signal that comes late must not decide the exit code.
        signals.signal(signals.SIGTERM, lambda number, frame: drain_worker())
    with contextlib.ExitStack() as stack:
        alive = None
        if line is not None:
            stack.enter_context(lifeline(drain_worker, host.timing.orphan_grace, line))
        else:
            alive = stack.enter_context(dead_mans_switch(host.longest_block))
        await _until_drained(host, alive)
    return host.exit_code


async def _until_drained(host: WorkerHost, alive: Callable[[], None] | None) -> None:
    failure: NodeError | None = None
    async with trio.open_nursery() as nursery:

        async def when_orphaned() -> None:
            await host.orphaned.wait()
            await trio.sleep(host.timing.orphan_grace)
            # Like the lifeline: work that does not end by itself is not waited for.
            _exit(EXIT_ORPHANED)

        async def tell_alive(alive: Callable[[], None]) -> None:
            while True:
                alive()
                await trio.sleep(_ALIVE_INTERVAL)

        nursery.start_soon(when_orphaned)
        if alive is not None:
            nursery.start_soon(tell_alive, alive)
        try:
            await host.serve()
        except NodeError as exc:  # carried out of the nursery, which would make it a group
            failure = exc
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
