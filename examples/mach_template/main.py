# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""The service as a process: its machine, what it is watched and steered by, its exit code."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

import am_helpers as amh
import am_rpc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.mach_template.handlers import Handlers  # noqa: E402 - found by the line above
from examples.mach_template.states import TemplateStates  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import am_machine as am

HEALTH = 30.0  # seconds between health checks


def service(tell: Callable[[str], None]) -> am.Machine:
    """The machine, with all that the environment asks for: logs, telemetry, debugger, REPL."""
    mach = amh.common(TemplateStates, id="service", handlers=Handlers(tell))
    am_rpc.repl_env(mach)
    amh.healthcheck(mach, HEALTH)
    return mach


async def run(tell: Callable[[str], None], numbers: Iterable[int] = ()) -> am.Machine:
    """Do these jobs, or serve until the process is told to end if there are none."""
    jobs = [*numbers]
    async with service(tell) as mach:
        mach.add("Start")
        await mach.when("Ready")
        for number in jobs:
            mach.add("Working", number=number)  # which ends Idle
            await mach.when("Idle")
        if jobs:
            mach.remove("Start")
        await mach.when_not("Start")
        tell(str(mach))
    return mach


def main() -> None:
    """Run with the numbers of the command line; the exit code is 1 if one had no factors."""
    tell = partial(print, flush=True)
    mach = trio.run(run, tell, map(int, sys.argv[1:]))
    sys.exit(1 if mach.tick("ErrJob") else 0)


if __name__ == "__main__":
    main()
