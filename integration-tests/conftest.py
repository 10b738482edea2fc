"""What every test that crosses packages can rely on: the tree, and a watch over real processes."""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

# Inherited by every descendant, orphans included, which a list of children would miss.
MARK = "AM_TEST_RUN"
GRACE = 5.0  # seconds a child may need to go after its test ended
# Seconds that a test of real processes may take on a machine with nothing else to do; those that
# are known to be slow get more. After two minutes the whole run would be given up.
GUARD, SLOW_GUARD = 30.0, 100.0


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the repository."""
    return Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def no_process_left(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Fail a test marked `process` that leaves one of its processes running (seen on Linux)."""
    if request.node.get_closest_marker("process") is None or not Path("/proc/self").exists():
        yield
        return
    mark = f"{MARK}={uuid.uuid4()}"
    monkeypatch.setenv(*mark.split("="))
    yield
    deadline = time.monotonic() + GRACE
    while left := _processes_with(mark):
        if time.monotonic() > deadline:
            pytest.fail(f"processes left behind: {left}")
        time.sleep(0.05)  # real processes, which nothing announces the end of


@pytest.fixture
def busy() -> float:
    """How many times longer than on a machine with nothing else to do things may take now."""
    return _busy()


def _busy() -> float:
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.fixture(autouse=True)
def process_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test marked `process` that hangs, long before the run is given up for it.

    `process(lasts=SECONDS)` is for a test whose length is a matter of size: the time that it takes
    on purpose does not count.
    """
    node = request.node
    marker = node.get_closest_marker("process")
    if marker is None or node.get_closest_marker("nightly"):
        yield
        return
    usual = GUARD if node.get_closest_marker("slow") is None else SLOW_GUARD
    limit = min(usual * _busy(), SLOW_GUARD) + marker.kwargs.get("lasts", 0.0)

    def expired(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"{node.name} took longer than {limit:g} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _processes_with(mark: str) -> dict[int, str]:
    """Process id and command line of each other process that carries the mark."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = mark.encode() in (folder / "environ").read_bytes().split(b"\0")
            command = (
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:  # gone meanwhile, or another user's
            continue
        if marked:
            found[int(folder.name)] = command.strip()
    return found
