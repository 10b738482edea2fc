"""From a key to the screen: processor time of a step, a jump, a switch of machines, with much
loaded.

`python packages/am-debugger/bench/bench_screen.py [MACHINES] [TRANSITIONS EACH]`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from statistics import quantiles

from bench_store import SCHEMA, rows

from am_debugger._cli.options import parse
from am_debugger._cli.run import Instance
from am_debugger._store.link import Link
from am_debugger._ui.launcher import running
from am_telemetry import dbg


def fill(instance: Instance, machines: int, count: int) -> None:
    """Machines of one process."""
    process = dbg.Process("p", 1, "", "", "", 0)
    link = Link(instance.debugger.session.store, process)
    link.schema(SCHEMA)
    made = rows(count, is_rich=False)
    for h in range(machines):
        clock = (0,) * len(SCHEMA.names)
        link.machine(dbg.Mach(h, f"machine-{h}", None, (), SCHEMA.hash, (), clock, 1))
        for sent in made:
            link.transition(h, sent)


async def main(machines: int, count: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        argv = ["-l", f"unix:{folder}/s", "--no-tail", "-d", folder]
        instance = Instance(parse(argv, {"XDG_CONFIG_HOME": folder}))
        fill(instance, machines, count)
        machine = instance.debugger.machine
        async with running(instance) as app, app.run_test(size=(200, 60)) as pilot:
            machine.add("LogReaderEnabled")
            machine.add("SelectingClient", client="machine-0")
            await pilot.pause()
            for what, keys in (("step", ["left"]), ("jump", ["alt+h"]), ("state jump", ["alt+h"])):
                if what == "state jump":
                    machine.add("StateNameSelected", state="Ready")
                took = []
                for _ in range(40):
                    start = time.process_time()
                    await pilot.press(*keys)
                    await pilot.pause(0.02)
                    took.append(time.process_time() - start)
                tell(what, took)
            took = []
            for k in range(40):
                start = time.process_time()
                machine.add("SelectingClient", client=f"machine-{k % machines}")
                await pilot.pause(0.02)
                took.append(time.process_time() - start)
            tell("switch", took)


def tell(what: str, took: list[float]) -> None:
    """One line."""
    cuts = quantiles(took, n=20)
    print(f"{what}: p50 {cuts[9] * 1000:.1f} ms, p95 {cuts[18] * 1000:.1f} ms of the processor")


if __name__ == "__main__":
    asyncio.run(
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 100,
            int(sys.argv[2]) if len(sys.argv) > 2 else 10_000,
        )
    )
