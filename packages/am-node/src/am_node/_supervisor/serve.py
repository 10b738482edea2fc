"""Running a supervisor as a program: until a signal says otherwise."""

from __future__ import annotations

import contextlib
import signal as signals
from typing import TYPE_CHECKING

import trio

from .._errors import EntryPointError

if TYPE_CHECKING:
    from .supervisor import Supervisor

EXIT_INTERRUPTED = 130


async def serve(
    supervisor: Supervisor, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> int:
    """Run `supervisor` until it ends, and return the exit code for the process.

    ``SIGTERM`` or ``SIGINT`` drain it: clients go elsewhere, running work gets its time; the code
    is 0 then. A second signal ends the workers at once; the code is 130. The address is reported
    by `task_status` as soon as clients can connect. If the class cannot be imported, and no worker
    ever came up, the code is 70. Must run in the main thread. Cancelling ends
    the workers.
    """
    code = 0
    if signals.getsignal(signals.SIGCHLD) == signals.SIG_IGN:
        # Inherited; the system would keep no exit code of a worker.
        signals.signal(signals.SIGCHLD, signals.SIG_DFL)
    with (
        trio.open_signal_receiver(signals.SIGTERM, signals.SIGINT) as arrivals,
        contextlib.suppress(EntryPointError),  # logged by then
    ):
        async with supervisor, trio.open_nursery() as nursery:

            async def on_signals() -> None:
                nonlocal code
                drained = False
                async for _ in arrivals:
                    if drained:
                        code = EXIT_INTERRUPTED
                        nursery.cancel_scope.cancel()
                    drained = True
                    supervisor.mach.add("Draining")

            nursery.start_soon(on_signals)
            task_status.started(supervisor.addr)
            await supervisor.mach.when_not("Start")
            nursery.cancel_scope.cancel()
    return code if code else supervisor.exit_code
