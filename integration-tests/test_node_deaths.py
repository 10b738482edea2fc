"""Work that kills its worker: only its own callers pay for it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest
import trio

import am_node

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.trio]

WORKERS = textwrap.dedent("""\
    import os, signal, sys, time
    import am_node

    class Deadly(am_node.Worker):
        thread = False

        def work(self, number: int, deadly: bool) -> int:
            time.sleep(0.01)
            if deadly:
                print("the last word of", number, file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGSEGV)
            return number

    class Queued(Deadly):
        queue = 16
    """)
COUNT, DEADLY = 200, frozenset({57, 151})
# A busy machine starts workers slowly; that is not what is tested here.
PATIENT = am_node.Timing(conn_timeout=30.0)


async def _map(client: am_node.Client, deadly: frozenset[int]) -> dict[int, object]:
    inputs = [{"number": number, "deadly": number in deadly} for number in range(COUNT)]
    found: dict[int, object] = {}
    async for args, result in client.map(inputs, workers=4, return_errors=True):
        assert args["number"] not in found
        found[args["number"]] = result
    return found


@pytest.mark.parametrize("name", ["Deadly", "Queued"])
async def test_of_many_requests_only_those_fail_that_kill_their_workers(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "deadly_work.py").write_text(WORKERS)
    entry = f"{tmp_path / 'deadly_work.py'}:{name}"
    pool = am_node.Pool(min=4, max=8, warm=4)
    with trio.fail_after(110):
        async with (
            am_node.Supervisor(entry, pool=pool, timing=PATIENT) as sup,
            am_node.Client("c", am_node.load_entry_point(entry), supers=[sup.addr]) as client,
        ):
            await sup.mach.when("PoolReady")
            alive = await _map(client, frozenset())
            assert alive == {number: number for number in range(COUNT)}
            found = await _map(client, DEADLY)
            assert not sup.mach.tick("CrashLoop")
    failed = {number for number, result in found.items() if isinstance(result, Exception)}
    assert failed == DEADLY
    assert {number: found[number] for number in found if number not in DEADLY} == {
        number: number for number in range(COUNT) if number not in DEADLY
    }
    for number in DEADLY:
        error = found[number]
        assert isinstance(error, am_node.WorkerLost)
        assert "3 attempts" in str(error)
    told = [str(found[number]) for number in DEADLY]
    assert any("SIGSEGV" in text and "the last word of" in text for text in told), told
