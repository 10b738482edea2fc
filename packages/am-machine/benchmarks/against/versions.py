"""Two versions of am-machine beside each other, each in processes of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
PACKAGE = "packages/am-machine"


class Worker:
    """A process that imports one version and measures what it is asked for."""

    def __init__(self, place: Path) -> None:
        # The place comes before whatever is installed; both see the same hashes of strings.
        env = {**os.environ, "PYTHONPATH": str(place), "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), str(place)],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, row: str, count: float | None) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([row, count]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended in row {row!r}")
        answer: float = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._process.communicate()  # closes its input, which ends it


@dataclass(frozen=True, slots=True)
class Versions:
    """Folders that hold an unpacked wheel each."""

    old: Path
    new: Path

    @contextmanager
    def at_work(self) -> Iterator[dict[str, Worker]]:
        """A new process of each."""
        with ExitStack() as stack:
            yield {
                "old": stack.enter_context(Worker(self.old)),
                "new": stack.enter_context(Worker(self.new)),
            }


def built(folder: Path, commit: str) -> Versions:
    """Build the commit and the tree as it is, uncommitted changes included."""
    command = ("git", "archive", commit, PACKAGE)
    archive = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder / "source", filter="data")
    return Versions(
        old=_wheel(folder / "source" / PACKAGE, folder / "old"),
        new=_wheel(ROOT / PACKAGE, folder / "new"),
    )


def _wheel(source: Path, place: Path) -> Path:
    """The unpacked wheel of a source tree."""
    wheels = place.with_suffix(".wheels")
    command = (sys.executable, "-m", "build", "-n", "-w", "-o", str(wheels), str(source))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"the build failed:\n{done.stdout}")
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        wheel.extractall(place)
    subprocess.run((sys.executable, "-m", "compileall", "-q", str(place)), check=True)
    return place
