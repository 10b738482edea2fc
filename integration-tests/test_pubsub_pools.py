"""Two pools in two networks, joined by a topic: a client finds both, and goes on with one.

The networks are two namespaces joined by one cable, where this user may make them; else they are
two addresses of the loopback.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .test_pubsub_processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.slow]
PROGRAM = Path(__file__).parent / "pubsub_pool.py"
CABLE = """
set -e
ip link set lo up
unshare -n sh -c 'ip link set lo up; echo $$ > "$0"/second; exec sleep 600' "$1" &
while ! [ -s "$1"/second ]; do sleep 0.05; done
B=$(cat "$1"/second)
ip link add va type veth peer name vb netns $B
ip addr add 10.77.0.1/24 dev va; ip link set va up
nsenter -t $B -n sh -c 'ip addr add 10.77.0.2/24 dev vb; ip link set vb up'
echo $$ > "$1"/first
exec sleep 600
"""


class Place:
    """A network: its address, and how a process gets there."""

    def __init__(self, host: str, pid: int | None = None) -> None:
        self.host = host
        enter = ("nsenter", "-t", str(pid), "-U", "-n", "--preserve-credentials")
        self.prefix = enter if pid is not None else ()


@contextmanager
def places(folder: Path) -> Iterator[tuple[Place, Place]]:
    """Make two networks with a cable, or take two addresses of one."""
    tools = all(shutil.which(name) for name in ("unshare", "nsenter", "ip"))
    holder = None
    if tools:
        command = ["unshare", "-rn", "sh", "-c", CABLE, "sh", str(folder)]
        holder = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while holder.poll() is None and not (folder / "first").exists():
            time.sleep(0.05)  # a shell does not tell
    if holder is None or holder.poll() is not None:
        yield Place("127.0.0.2"), Place("127.0.0.3")
        return
    pids = [int((folder / name).read_text()) for name in ("first", "second")]
    try:
        yield Place("10.77.0.1", pids[0]), Place("10.77.0.2", pids[1])
    finally:
        subprocess.run(["kill", str(pids[1])], check=False)
        holder.kill()
        holder.wait()


def start(place: Place, role: str, file: Path, *options: str) -> subprocess.Popen[bytes]:
    """Run a role at a place."""
    command = [*place.prefix, sys.executable, str(PROGRAM), role, str(file), "--host", place.host]
    return subprocess.Popen([*command, *options])


def test_a_client_finds_two_pools_by_topic_and_goes_on_when_one_goes(tmp_path: Path) -> None:
    with places(tmp_path) as (here, there), ExitStack() as stack:

        def run(place: Place, role: str, name: str, *options: str) -> subprocess.Popen[bytes]:
            process = start(place, role, tmp_path / name, *options)
            stack.callback(process.wait)
            stack.callback(process.send_signal, signal.SIGTERM)
            return process

        def told(name: str) -> list[str]:
            file = tmp_path / name
            return file.read_text().split() if file.exists() else []

        first = run(here, "pool", "one")
        until(lambda: bool(told("one")), 60, "the first pool")
        run(there, "pool", "two", "--connect", *told("one"))
        until(lambda: bool(told("two")), 60, "the second pool")
        run(here, "client", "work", "--connect", *told("two"))
        until(lambda: told("work")[2:] == ["2"], 60, "the client sees both")

        first.kill()
        before = int(told("work")[0])
        until(lambda: told("work")[1:] == ["two", "1"], 60, "the second pool does the work")
        until(lambda: int(told("work")[0]) > before + 5, 60, "work goes on")
