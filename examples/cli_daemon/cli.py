# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""The command line: `python -m examples.cli_daemon.cli DIR --foo --bar --duration 0.5`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import trio

import am_machine as am
import am_rpc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.cli_daemon.states import STEPS, DaemonStates  # noqa: E402 - found by the line above

OK, REFUSED, NO_DAEMON = 0, 1, 3


async def run_job(net: am_rpc.NetworkMachine, job: str, duration: float) -> int:
    """Ask for a job and show its progress until it is done."""
    # Subscribed before the job begins, so nothing can be missed. Becoming active is one tick,
    # each time again is two.
    steps = [net.when_ticks("Progress", 2 * step + 1) for step in range(STEPS)]
    done = net.when_next_active(f"{job}Done")
    if await net.add(job, duration=duration) is am.CANCELED:
        print(f"{job}: refused, the daemon is busy", flush=True)
        return REFUSED
    print(f"{job}: accepted", flush=True)
    for number, step in enumerate(steps, 1):
        await step
        print(f"{job}: {100 * number // STEPS} %", flush=True)
    await done
    print(f"{job}: done", flush=True)
    return OK


async def main(folder: Path, jobs: list[str], duration: float) -> int:
    """Find the daemon by its address file and run the jobs one after the other."""
    try:
        addr = (folder / "daemon.addr").read_text().strip()
        async with am_rpc.connect(addr, DaemonStates, timeout=1) as net:
            for job in jobs:
                code = await run_job(net, job, duration)
                if code != OK:
                    return code
    except (OSError, am_rpc.NetworkError):
        print("no daemon is running", flush=True)
        return NO_DAEMON
    return OK


def parse(argv: list[str]) -> tuple[Path, list[str], float]:
    """Turn flags into jobs."""
    parser = argparse.ArgumentParser(prog="cli")
    parser.add_argument("folder", type=Path, help="where the daemon has its address file")
    parser.add_argument("--foo", dest="jobs", action="append_const", const="Foo")
    parser.add_argument("--bar", dest="jobs", action="append_const", const="Bar")
    parser.add_argument("--duration", type=float, default=0.2, help="seconds that a job takes")
    args = parser.parse_args(argv)
    if not args.jobs:
        parser.error("give --foo, --bar or both")
    return args.folder, args.jobs, args.duration


if __name__ == "__main__":
    try:
        sys.exit(trio.run(main, *parse(sys.argv[1:])))
    except* KeyboardInterrupt:
        sys.exit(130)
