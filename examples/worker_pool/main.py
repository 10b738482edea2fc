# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-node", "rich>=13"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-node = { path = "../../packages/am-node", editable = true }
# ///
"""Runs the whole demo: supervisors and clients as processes, a kill, a verdict."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import trio

import am_helpers as amh

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))
from examples.worker_pool.demo import PATIENCE, Demo  # noqa: E402 - found by the line above
from examples.worker_pool.lines import heard  # noqa: E402 - likewise
from examples.worker_pool.text_stats import text_files  # noqa: E402 - likewise
from examples.worker_pool.view import shown, summary  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLIENTS = 2
_ENGINE_PATIENCE = 300.0  # what an engine keeps waiting takes its time
_DRAIN = 2.0
_STOP = 8.0


async def run(demo: Demo, workers: int, supers: int, discovery: str) -> None:
    """Start the processes, wait for the states, stop the processes."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as arrivals:
        async with demo.mach, trio.open_nursery() as everything:
            demo.mach.add("Start")
            everything.start_soon(_until_interrupted, demo, arrivals, everything.cancel_scope)
            everything.start_soon(_until_it_stands_still, demo, everything.cancel_scope)
            async with trio.open_nursery() as services:
                for number in range(supers):
                    services.start_soon(_supervisor, demo, number, workers // supers)
                await demo.mach.when("PoolReady")
                async with trio.open_nursery() as clients:
                    for name in demo.progress:
                        clients.start_soon(_client, demo, name, workers // CLIENTS, discovery)
                    await demo.mach.when("Compared")
                services.cancel_scope.cancel()
            everything.cancel_scope.cancel()


async def _supervisor(demo: Demo, number: int, workers: int) -> None:
    async with trio.open_nursery() as nursery:
        cert, _ = demo.certificates
        process = await _start(
            nursery, "supervisor", str(workers), "127.0.0.1:0", cert, *demo.launcher
        )
        demo.pids.add(process.pid)
        demo.supervisors[number] = process.pid
        assert process.stdout is not None
        async for line in heard(process.stdout):
            demo.hear_supervisor(number, line)


async def _client(demo: Demo, name: str, workers: int, discovery: str) -> None:
    addresses = ",".join(demo.addresses.values())
    _, ca = demo.certificates
    async with trio.open_nursery() as nursery:
        process = await _start(
            nursery, "client", name.replace(" ", ""), str(workers), addresses, discovery, ca,
            stdin="\n".join(demo.shares[name]).encode(),
        )  # fmt: skip
        demo.pids.add(process.pid)
        assert process.stdout is not None
        async for line in heard(process.stdout):
            demo.hear_client(name, line)


async def _start(nursery: trio.Nursery, part: str, *args: str, stdin: bytes = b"") -> trio.Process:
    start = partial(
        trio.run_process,
        [sys.executable, "-m", f"examples.worker_pool.{part}", *args],
        stdin=stdin,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        check=False,
        process_group=0,  # Ctrl-C is this process's to deal with
        deliver_cancel=_end,
    )
    process: trio.Process = await nursery.start(start)
    return process


async def _end(process: trio.Process) -> None:
    # A supervisor lets running work end at the first signal and stops at once at the second.
    for pause in (_DRAIN, _STOP):
        process.terminate()
        await trio.sleep(pause)
    process.kill()


async def _until_interrupted(
    demo: Demo, arrivals: AsyncIterator[int], scope: trio.CancelScope
) -> None:
    async for _ in arrivals:
        demo.mach.add("Interrupted")
        scope.cancel()


async def _until_it_stands_still(demo: Demo, scope: trio.CancelScope) -> None:
    await demo.mach.when("StoodStill")
    scope.cancel()


def main() -> int:
    """The exit code is 0 only if the totals are equal and nothing is left."""
    parser = argparse.ArgumentParser(prog="worker_pool", description=__doc__)
    parser.add_argument("--plain", action="store_true", help="print lines instead of a live table")
    parser.add_argument("--workers", type=int, default=4, help="worker processes (4)")
    parser.add_argument(
        "--tls", action="store_true", help="encrypt the ways to supervisors and workers"
    )
    parser.add_argument("--supers", type=int, default=1, help="supervisors to spread them over (1)")
    parser.add_argument(
        "--discovery",
        default="am_node:StaticList",
        metavar="MODULE:FACTORY",
        help="makes the discovery of the clients, of the supervisors' addresses (%(default)s)",
    )
    parser.add_argument("--launcher", help="what places the workers: ssh, slurm, ray, kubernetes")
    parser.add_argument("--settings", default="{}", help="of the launcher, as JSON")
    parser.add_argument(
        "--patience",
        type=float,
        metavar="SECONDS",
        help="give up when nothing more gets done for so long "
        f"({PATIENCE:g}; {_ENGINE_PATIENCE:g} with a launcher)",
    )
    options = parser.parse_args()

    with TemporaryDirectory(prefix="worker_pool-") as folder:
        files = copied(text_files(ROOT), Path(folder))
        patience = options.patience
        if patience is None:
            patience = _ENGINE_PATIENCE if options.launcher else PATIENCE
        demo = Demo(files, options.supers, CLIENTS, patience)
        if options.launcher:
            demo.launcher = (options.launcher, options.settings)
        if options.tls:
            demo.certificates = certificates(Path(folder))
        # Before any process starts: what listens here may leave a word to the others in the
        # environment, such as the trace that they all belong to.
        amh.debug_env(demo.mach)
        began = time.monotonic()
        with shown(demo, options.plain):
            trio.run(run, demo, options.workers, options.supers, options.discovery)
        left = demo.look_around()
    if demo.mach.is_("AllDone"):
        summary(demo, time.monotonic() - began)
    return verdict(demo, left)


def certificates(folder: Path) -> tuple[str, str]:
    """Files with a certificate for this host, and with the authority that made it."""
    try:
        import trustme
    except ImportError:
        sys.exit("--tls needs trustme: python -m pip install trustme")
    authority = trustme.CA()
    server, ca = folder / "server.pem", folder / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(server)
    authority.cert_pem.write_to_path(ca)
    return str(server), str(ca)


def copied(files: list[str], folder: Path) -> list[str]:
    """Copies of the files: whoever edits one meanwhile must not make the totals differ."""
    copies: list[str] = []
    for file in files:
        copy = folder / Path(file).relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copies.append(str(shutil.copyfile(file, copy)))
    return copies


def verdict(demo: Demo, left: list[str]) -> int:
    """Say how it went."""
    for item in left:
        print("left behind:", item)
    if demo.mach.is_("Interrupted"):
        print("interrupted;", "nothing is left" if not left else "NOT CLEAN")
        return 130 if not left else 1
    victim = f"worker {demo.killed} was killed" if demo.killed else "no worker was killed"
    print(f"{victim}; {sum(demo.restarts)} restarted")
    if not demo.mach.is_("Compared"):
        print(f"NOT DONE: {len(demo.results)} of {len(demo.files)} tasks,", end=" ")
        print(f"and nothing more was done for {demo.patience:g} s")
    else:
        print("totals are equal" if demo.mach.is_("TotalsEqual") else "totals DIFFER")
    print("nothing is left" if not left else "NOT CLEAN")
    return 0 if demo.mach.is_("TotalsEqual", "WorkerKilled") and not left else 1


if __name__ == "__main__":
    sys.exit(main())
