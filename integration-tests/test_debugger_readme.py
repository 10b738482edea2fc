"""What the page of am-debugger prints for recorded runs is typed in, on a run that was recorded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from release.readmes import Follower, blocks_of_commands

PAGE = Path(__file__).parent.parent / "packages" / "am-debugger" / "README.md"
# A program with the machines that the page names, which records the runs that it names.
PROGRAM = """
import sys

import trio

import am_machine as am
from am_telemetry.dbg import DbgWriter

NEEDS = {"require": ["Start"]}
SCHEMA = {"Start": {}, "Ready": {**NEEDS, "auto": True}, "Work": NEEDS}


def new_worker() -> am.Machine:
    return am.Machine(SCHEMA, id="worker-1")


async def main(path: str) -> None:
    with DbgWriter(path) as writer:
        async with new_worker() as worker, am.Machine(SCHEMA, id="client") as client:
            writer.bind(worker)
            writer.bind(client)
            client.add("Start")
            worker.add("Start")
            worker.add("Work", job=3)
            worker.remove("Work")


if __name__ == "__main__":
    for path in sys.argv[1:]:
        trio.run(main, path)
"""
# The id of a transition is another one in each run.
PRINTED = "mach://worker-1/5f2c0a9b11d2e3f4"
WRITTEN = (
    "diagrams/steps.mmd",
    "pictures/diagrams/bird.mmd",
    "report.amdbg.gz",
    "run-cut.amdbg.gz",
    "test_worker.py",
    "worker-1-2.html",
)


@pytest.mark.nightly  # a dozen programs, each a second of work
@pytest.mark.process
def test_commands_for_recorded_runs_do_as_printed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    reader = Follower(PAGE, tmp_path, Path(sys.executable).parent)
    printed = [one.line for block in blocks_of_commands(reader.text) for one in block]
    lines = [line for line in printed if re.search(r"^am-dbg [a-z]\S* .*\.amdbg\.gz", line)]
    assert len({line.split()[1] for line in lines}) == 10
    dumps = sorted({*re.findall(r"(?<!--out )\b(\w+\.amdbg\.gz)", "\n".join(lines))})
    reader.run(f"python program.py {' '.join(dumps)}")
    found = reader.run("am-dbg inspect run.amdbg.gz --where '+Ready id:worker-1'")
    (address,) = re.findall(r"mach://\S+", found)
    told = {line: reader.run(line.replace(PRINTED, address)) for line in lines}
    assert [name for name in WRITTEN if not (tmp_path / name).is_file()] == []
    (why,) = (text for line, text in told.items() if " why " in line)
    assert why.startswith("Ready is active since transition 2")
    test = [sys.executable, "-m", "pytest", "-q", "test_worker.py"]
    assert subprocess.run(test, cwd=tmp_path, capture_output=True, check=False).returncode == 0
