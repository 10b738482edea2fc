"""At the cap of memory for minutes: nothing grows, and no key is lost.

`AM_DBG_SOAK_SECONDS` says how long; it runs at night alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from am_debugger._cli.options import parse
from am_debugger._cli.run import Instance
from am_debugger._ui.launcher import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from am_debugger._store.store import Store

SECONDS = float(os.environ.get("AM_DBG_SOAK_SECONDS", "120"))
MEGABYTE = 1 << 20
CAP = 8
RATE = 5000
MACHINES = Path(__file__).parents[1] / "benchmarks" / "machines.py"
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Beyond the cap: what comes between two looks at memory, and what the allocator keeps.
_ROOM = 1.5
# Of all memory, from the second quarter of the time at the cap on.
_GROWTH = 1.1
_FEWEST = 100
# Seconds beside: whatever does not come to an end, the traceback says where it stood.
_PATIENCE = 120
# Of the rate that is wanted, what has to come in.
_REACHED = 0.9


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def arrived(store: Store) -> int:
    """Transitions that ever came."""
    return sum([client.last for client in store])


def drops(instance: Instance) -> list[str]:
    """What was told of transitions that were dropped."""
    return [note for note in instance.debugger.notes if note.startswith("dropped ")]


@contextlib.contextmanager
def feeding(address: str) -> Iterator[None]:
    """A program whose machines do much."""
    command = [sys.executable, str(MACHINES), address, "--rate", str(RATE)]
    command += ["--machines", "20", "--transitions", str(1 << 40)]
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=nowhere) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.nightly
@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_flat_and_no_key_is_lost(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 's'}"
    argv = ["-l", address, "-d", str(tmp_path), "--max-mem", str(CAP)]
    instance = Instance(parse([*argv, "--select-connected", "--no-tail"], {"HOME": str(tmp_path)}))
    machine, store = instance.debugger.machine, instance.debugger.session.store
    held: list[tuple[int, int]] = []
    came: list[float] = []

    async def main() -> None:
        async with (
            asyncio.timeout(SECONDS + _PATIENCE),
            running(instance) as app,
            app.run_test(size=(160, 48)) as pilot,
        ):
            stack.enter_context(feeding(address))
            while "ClientSelected" not in machine:
                await pilot.pause(0.1)
            pressed, before, until = 0, machine.tick("UserBack"), time.monotonic() + SECONDS
            had, began = arrived(store), time.monotonic()
            while time.monotonic() < until:
                await pilot.press("left")
                await pilot.pause(0.2)
                pressed += 1
                if drops(instance):  # until the cap is reached memory grows
                    held.append((store.nbytes, resident()))
            # Each is added, and removes itself.
            assert machine.tick("UserBack") - before == 2 * pressed
            came.append((arrived(store) - had) / (time.monotonic() - began))

    with contextlib.ExitStack() as stack:
        asyncio.run(main())
    half = len(held) // 2
    parts = (held[half // 2 : half], held[half:])
    first, second = [max([size for _, size in part], default=0) for part in parts]
    most = max([nbytes for nbytes, _ in held], default=0)
    print(f"{came[0]:.0f} tx/s, {len(held)} keys at the cap, {most} B held of {CAP * MEGABYTE}")
    print(f"resident: {first} B in the second quarter, {second} B from then on")
    assert len(held) > _FEWEST, "the cap was hardly reached"
    assert came[0] > _REACHED * RATE, "they came slower than they should"
    assert most < _ROOM * CAP * MEGABYTE
    assert second < _GROWTH * first
