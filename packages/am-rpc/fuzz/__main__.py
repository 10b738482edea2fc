"""Harmed input of every kind against am-rpc: `python packages/am-rpc/fuzz`.

Exit code 0 only if nothing but refusals came of it. Four parts, sized by the environment:

* `AM_RPC_FUZZ_FRAMES` (1,000,000) inputs into the core without I/O, and `AM_RPC_FUZZ_SESSIONS` (a
  hundredth of them) into whole servers and clients over streams in memory
* `AM_RPC_FUZZ_LIVE` (60) seconds of attacks on a live mux with a healthy client beside, and as
  long each over TLS and websockets, if what they need is installed
* `AM_RPC_FUZZ_GUIDED` (60) seconds each of inputs that grow towards code not reached yet, against
  the core and against whole servers and clients; needs atheris, without it the part is skipped
* `AM_RPC_FUZZ_SEED` (1) makes the first two repeatable

Inputs that reached new code are kept in the folder `AM_RPC_FUZZ_CORPUS` for the next time, as is
an input that is a finding: `python guided.py core|sessions FILE` plays it again. By default the
folder is a temporary one.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

sys.path.insert(0, str(Path(__file__).parent))

import inputs
import live
import sessions
import target

if TYPE_CHECKING:
    from collections.abc import Callable

SESSIONS_SHARE: Final = 100
LARGEST: Final = 8192  # bytes of a guided input
PATIENCE: Final = 60.0  # seconds that a guided run may take beside its time, to start and to end
TAIL: Final = 4000  # characters of a log that are shown


def setting(name: str, default: int) -> int:
    """Return the size of a part."""
    return int(os.environ.get(f"AM_RPC_FUZZ_{name}", default))


def pour(count: int, rand: random.Random, play: Callable[[bytes], object]) -> None:
    """Play so many harmed inputs, half of them well framed; show the one that is a finding."""
    for number in range(count):
        data = inputs.harmed(rand)
        if number & 1:
            data = inputs.reshaped(data, rand)
        data = bytes([rand.randrange(256)]) + data
        try:
            play(data)
        except BaseException:
            print(f"input {number}: {data!r}")
            raise


def run_core(frames: int, rand: random.Random) -> None:
    """Harm frames and feed them to the core."""
    refused = 0

    def play(data: bytes) -> None:
        nonlocal refused
        refused += target.feed(data)[1]

    pour(frames, rand, play)
    print(f"core: {frames} inputs, {refused} connections ended, nothing else raised", flush=True)


def run_sessions(count: int, rand: random.Random) -> None:
    """Harm frames and say them to servers and clients."""
    findings = sessions.Findings()
    pour(count, rand, lambda data: sessions.play(data, findings))
    print(f"sessions: {count} inputs, no internal error, no task left", flush=True)


def run_live(kind: str, seconds: int, rand: random.Random) -> None:
    """Attack a mux over sockets."""
    report = trio.run(live.besiege, kind, seconds, rand)
    print(f"live mux over {kind}, {seconds} s: {report}", flush=True)
    if not report.ok:
        sys.exit("the attack cost too much")


def run_guided(seconds: int, which: str, folder: Path) -> None:
    """Let atheris look for inputs; exit if it has found one."""
    corpus, log = folder / which, folder / f"{which}.log"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(inputs.FRAMES):
        for head in range(target.HEADS):
            (corpus / f"seed-{head}-{number}").write_bytes(bytes([head]) + frame)
    script = Path(__file__).with_name("guided.py")
    options = [
        f"-max_total_time={seconds}", f"-max_len={LARGEST}",
        "-print_final_stats=1", f"-artifact_prefix={folder}/{which}-",
    ]  # fmt: skip
    with log.open("w") as out:
        code = subprocess.run(
            [sys.executable, str(script), which, str(corpus), *options],
            stdout=out,
            stderr=out,
            timeout=seconds + PATIENCE,
            check=False,
        ).returncode
    told = log.read_text(errors="replace")
    if code:
        print(told[-TAIL:])
        sys.exit(f"guided, {which}: a finding, or no run; see {log}")
    runs, reached = re.findall(r"executed_units: (\d+)", told), re.findall(r"cov: (\d+)", told)
    print(f"guided, {which}, {seconds} s: {runs[-1]} inputs, {reached[-1]} branches", flush=True)


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def main() -> None:
    """Run all parts, the shortest first."""
    rand = random.Random(setting("SEED", 1))
    frames = setting("FRAMES", 1_000_000)
    run_core(frames, rand)
    run_sessions(setting("SESSIONS", frames // SESSIONS_SHARE), rand)
    run_live("tcp", setting("LIVE", 60), rand)
    for kind, module in (("tls", "trustme"), ("ws", "trio_websocket")):
        if _is_installed(module):
            run_live(kind, setting("LIVE", 60), rand)
        else:
            print(f"live mux over {kind}: skipped, {module} is not installed")
    seconds = setting("GUIDED", 60)
    if not _is_installed("atheris"):
        print("guided: skipped, atheris is not installed")
        return
    folder = Path(os.environ.get("AM_RPC_FUZZ_CORPUS") or tempfile.mkdtemp(prefix="am-rpc-fuzz-"))
    for which in ("core", "sessions"):
        run_guided(seconds, which, folder)


if __name__ == "__main__":
    main()
