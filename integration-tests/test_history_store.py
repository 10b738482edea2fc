"""Thousands of machines recorded into one file by one process, which is killed and comes back."""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import am_helpers as amh

if TYPE_CHECKING:
    from pathlib import Path

CHILD = r"""
import json, resource, sys
from contextlib import AsyncExitStack

import am_helpers as amh
import am_machine as am
import trio

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
SCHEMA = am.Schema({"Foo": {}, "Many": {"multi": True}, "MachineRestored": {}})


def say(*words):
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def main(path, count):
    ids = [f"m{n}" for n in range(count)]
    try:
        with amh.HistoryFile(path) as file:
            loaded = [await amh.load_machine(file, id_, SCHEMA) for id_ in ids]
        machines = [am.Machine.restore(*each) for each in loaded]
        say("restored", [m.tick("Many") for m in machines])
    except amh.HistoryError:
        machines = [am.Machine(SCHEMA, id=id_) for id_ in ids]
    config = amh.HistoryConfig(max_records=50)
    errors = []
    async with amh.SqliteStore(path) as store, AsyncExitStack() as stack:
        histories = [
            amh.SqliteHistory(m, store, config, on_err=errors.append) for m in machines
        ]
        for history in histories:
            await stack.enter_async_context(history)
        for _ in range(3):
            for mach in machines:
                mach.add("Many")
        await store.sync()
        say("synced", [m.tick("Many") for m in machines], sum(h.dropped for h in histories))
        while True:
            for number, mach in enumerate(machines):
                mach.toggle("Foo")
                if not number % 100:
                    await trio.sleep(0)
            assert not errors, errors


trio.run(main, sys.argv[1], int(sys.argv[2]))
"""


def run_and_kill(path: Path, count: int) -> tuple[dict[str, Any], str]:
    """Start a child, let it work until it synced, read beside it, kill it."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(count)], stdout=subprocess.PIPE
    )
    said: dict[str, Any] = {}
    with child:
        assert child.stdout is not None
        try:
            while "synced" not in said:
                assert select.select([child.stdout], [], [], 600)[0], "the child said nothing"
                words = json.loads(child.stdout.readline())
                said[words[0]] = words[1:]
            command = [sys.executable, "-m", "am_helpers._history._cli", str(path), "m7"]
            read = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert read.returncode == 0, read.stderr
        finally:
            child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    return said, read.stdout


@pytest.mark.process
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(2_000, marks=pytest.mark.slow),
        pytest.param(20_000, marks=pytest.mark.nightly),
    ],
)
def test_machines_by_the_thousand_lose_nothing_that_was_acknowledged(
    tmp_path: Path, count: int
) -> None:
    path = tmp_path / "h.sqlite"
    acknowledged = [0] * count
    for run in range(1, 4):
        said, shown = run_and_kill(path, count)
        if run > 1:
            assert said["restored"] == [acknowledged]
        acknowledged, dropped = said["synced"]
        assert acknowledged == [2 * 3 * run - 1] * count
        assert dropped == 0
        assert "+Many:" in shown
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            sql = "SELECT count(*), min(id), max(id) FROM times GROUP BY machine"
            for number, first, last in db.execute(sql):
                assert number == last - first + 1 >= 3
    with amh.HistoryFile(path) as file:
        machines = file.machines()
        assert len(machines) == count
        assert {m.machine_tick for m in machines} == {2}
        newest = file.records(machines[-1].machine_id, limit=1)[0]
        assert newest.clock["Many"] == acknowledged[0]
    print(f"{count} machines: {os.path.getsize(path) / 2**20:.0f} MiB")
