"""Work that kills its worker: only its own callers pay for it."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING

import pytest
import trio

import am_node

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.trio]

WORKERS_TEXT = textwrap.dedent("""\
    import os, signal, sys, time
    import am_node

    class Deadly(am_node.Worker):
        thread = False
        queue = 16

        def work(self, number: int, deadly: bool) -> int:
            time.sleep(0.01)
            if deadly:
                print("the last word of", number, file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGSEGV)
            return number
    """)
COUNT, DEADLY = 400, frozenset({57, 151, 230, 388})
WORKERS, SPARE, ATTEMPTS = 4, 8, 2
# Seconds that it takes without any death on a machine with nothing else to do, and how many times
# that it may take with them. A busy machine makes both the tasks and the starts of workers slow.
IDEAL = COUNT * 0.01 / WORKERS
MOST_TIMES = 4.0
# That is not what is tested here, either.
PATIENT = am_node.Timing(conn_timeout=30.0)


async def _map(client: am_node.Client, deadly: frozenset[int]) -> tuple[dict[int, object], float]:
    inputs = [{"number": number, "deadly": number in deadly} for number in range(COUNT)]
    found: dict[int, object] = {}
    began = time.monotonic()
    results = client.map(inputs, workers=WORKERS, attempts=ATTEMPTS, return_errors=True)
    async for args, result in results:
        assert args["number"] not in found
        found[args["number"]] = result
    return found, time.monotonic() - began


async def _full(sup: am_node.Supervisor) -> None:
    while len(await sup.workers(lambda w: "Ready" in w.states)) < WORKERS + SPARE:  # noqa: ASYNC110
        await trio.sleep(0.05)


def _check(found: dict[int, object]) -> None:
    failed = {number for number, result in found.items() if isinstance(result, Exception)}
    assert failed == DEADLY
    assert {number: found[number] for number in found if number not in DEADLY} == {
        number: number for number in range(COUNT) if number not in DEADLY
    }
    for number in DEADLY:
        error = found[number]
        assert isinstance(error, am_node.WorkerLost)
        assert error.attempt == ATTEMPTS
        assert "SIGSEGV" in str(error)
        assert f"the last word of {number}" in str(error)
        *others, first, words = error.__notes__
        assert first.startswith("Attempt 1, on the worker nw-Deadly-")
        assert f"the last word of {number}" in words
        assert all(note.startswith("Among others, on the worker") for note in others)


async def test_of_many_requests_only_those_fail_that_kill_their_workers_and_in_time(
    tmp_path: Path,
) -> None:
    (tmp_path / "deadly_work.py").write_text(WORKERS_TEXT)
    entry = f"{tmp_path / 'deadly_work.py'}:Deadly"
    pool = am_node.Pool(min=WORKERS, max=WORKERS + SPARE, warm=SPARE)
    with trio.fail_after(110):
        async with am_node.Supervisor(entry, pool=pool, timing=PATIENT) as sup:
            for queue in (0, 16):
                await _full(sup)
                async with am_node.Client("c", supers=[sup.addr], queue=queue) as client:
                    alive, calm = await _map(client, frozenset())
                    assert alive == {number: number for number in range(COUNT)}
                    found, took = await _map(client, DEADLY)
                _check(found)
                told = f"queue {queue}: {calm:.2f} s, with deaths {took:.2f} s"
                print(told)
                assert took <= MOST_TIMES * calm * max(1.0, calm / IDEAL), told
            assert not sup.mach.tick("CrashLoop")
