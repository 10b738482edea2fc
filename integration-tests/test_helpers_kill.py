"""A process that records a history is killed at random moments; what was promised is not lost.

Each child restores its machine from the file the killed one left behind, and goes on. Children are
forks of one process that has imported all they need: most of the time would go into interpreters.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

import am_helpers as amh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = 50
LIFE = 0.25  # seconds that a child works at most
BATCH = 100
BATCH_DELAY = 0.1
# A busy machine may take this long to give the writer its turn and to write.
PATIENCE = 1.0

CHILDREN = r"""
import json, os, random, sys, time
from pathlib import Path

import am_helpers as amh
import am_machine as am
import trio


class States(am.States):
    Foo = am.State()
    Many = am.State(multi=True)
    MachineRestored = am.State()


def say(*words):
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def main(path, seed):
    rng = random.Random(seed)
    try:
        mach = am.Machine.restore(*await amh.load_machine(path, "m1"))
        say("restored", mach.machine_tick, mach.is_("MachineRestored"), list(mach.time()))
    except amh.HistoryError:
        mach = am.Machine(States, id="m1")
    config = amh.HistoryConfig(max_records=10**6, store_schema=True, store_transitions=True)
    async with amh.SqliteHistory(mach, path, config) as history:
        await history.sync()
        made = history.machine_record.next_id - 1
        say("synced", made, list(mach.time()))
        while True:
            for _ in range(rng.randrange(1, 400)):
                mach.toggle("Foo") if rng.random() < 0.5 else mach.add("Many")
                made += 1
                say("made", made, time.monotonic())
                if rng.random() < 0.2:
                    await trio.sleep(rng.random() * 0.01)
            await history.sync()
            say("synced", made, list(mach.time()))


# A child per line of input: its file, its seed, and where it speaks.
for line in sys.stdin:
    path, seed, voice = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(os.open(voice, os.O_WRONLY), sys.stdout.fileno())
        trio.run(main, Path(path), seed)
    say(child)
    say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


class Children:
    """Starts one child after the other, and kills each."""

    def __init__(self, folder: Path) -> None:
        self.voice = folder / "voice"
        os.mkfifo(self.voice)
        self.parent = subprocess.Popen(
            [sys.executable, "-c", CHILDREN],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def told(self) -> int:
        """Return the number that the parent of all tells next."""
        assert self.parent.stdout is not None
        (number,) = json.loads(self.parent.stdout.readline())
        return int(number)

    def run_and_kill(self, path: Path, seed: int) -> tuple[list[Any], float]:
        """Start a child, kill it at a random moment of its work, return what it said and when."""
        assert self.parent.stdin is not None
        self.parent.stdin.write(json.dumps((str(path), seed, str(self.voice))) + "\n")
        self.parent.stdin.flush()
        child, heard = self.told(), b""
        pipe = os.open(self.voice, os.O_RDONLY)  # waits until the child has opened it, too
        try:
            try:
                assert select.select([pipe], [], [], 60)[0], "the child said nothing"
                end = time.monotonic() + random.Random(seed).random() * LIFE
                # Listening all the time, so that the child is never held up by a full pipe.
                while (left := end - time.monotonic()) > 0:
                    if select.select([pipe], [], [], left)[0]:
                        heard += os.read(pipe, 65_536)
            finally:
                os.kill(child, signal.SIGKILL)
                killed = time.monotonic()
            while more := os.read(pipe, 65_536):
                heard += more
        finally:
            os.close(pipe)
        assert self.told() == -signal.SIGKILL
        return [json.loads(line) for line in heard.split(b"\n")[:-1]], killed


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    """Children of one parent, which ends when its input does."""
    made = Children(tmp_path)
    with made.parent:
        yield made


def check_file(path: Path, said: list[Any], killed: float) -> int:
    """Check what is in the file against what the child said; return how many records were lost."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        count, last = db.execute("SELECT count(*), coalesce(max(id), 0) FROM times").fetchone()
        row = db.execute("SELECT time FROM machines").fetchone()
        stored = tuple(json.loads(row[0])) if row else ()
    with amh.HistoryFile(path) as file:
        newest = file.records("m1", limit=1) if row else []
    assert count == last, "ids have no gaps"
    synced = [words for words in said if words[0] == "synced"]
    if synced:
        assert last >= synced[-1][1], "a record was lost after sync() had returned"
        assert sum(stored) >= sum(synced[-1][2])
        if last > synced[-1][1]:
            assert stored == newest[0].tracked_time, (
                "the machine's clock is that of its last record"
            )
    made = {words[1]: words[2] for words in said if words[0] == "made"}
    lost = max(made, default=0) - last
    if lost > BATCH:
        age = killed - made[last + 1]
        assert age <= BATCH_DELAY + PATIENCE, f"{lost} records lost, the oldest {age:.2f} s old"
    return max(lost, 0)


@pytest.mark.slow
@pytest.mark.process
def test_what_was_synced_survives_kills_at_random_moments(
    tmp_path: Path, children: Children
) -> None:
    worst = told = 0
    for file in range(KILLS // 5):
        path = tmp_path / f"h{file}.sqlite"
        before: tuple[int, list[int]] | None = None
        for run in range(5):
            said, killed = children.run_and_kill(path, file * 5 + run)
            if before is not None:
                ((_, machine_tick, active, ticks),) = [w for w in said if w[0] == "restored"]
                assert machine_tick == before[0] + 1
                assert active
                # Restoring adds MachineRestored; no other clock may differ.
                assert [*ticks[:2], *ticks[3:]] == [*before[1][:2], *before[1][3:]]
            worst = max(worst, check_file(path, said, killed))
            told += sum(words[0] == "made" for words in said)
            sql = "SELECT machine_tick, time FROM machines"
            with closing(sqlite3.connect(path)) as db:
                row = db.execute(sql).fetchone()
            before = (row[0], json.loads(row[1])) if row else None
    print(f"{KILLS} kills in {told} transitions: at most {worst} lost between syncs, none after")
