# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""The whole story: a daemon process, and what several calls of the command line see of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def command(module: str, folder: Path, *flags: str) -> list[str]:
    """Return the words that start a program of this example."""
    return [sys.executable, "-m", f"examples.cli_daemon.{module}", str(folder), *flags]


def start(module: str, folder: Path, *flags: str) -> subprocess.Popen[str]:
    """Start a program and wait until it has said something, which is printed."""
    program = subprocess.Popen(
        command(module, folder, *flags), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    print(f"{module}> {program.stdout.readline()}", end="", flush=True)
    return program


def run(module: str, folder: Path, *flags: str) -> None:
    """Run a program to its end and print what it says, and its exit code."""
    print(" ".join(("$", module, *flags)), flush=True)
    words = command(module, folder, *flags)
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    print(f"{done.stdout}exit {done.returncode}", flush=True)


def interrupt(program: subprocess.Popen[str]) -> str:
    """Press Ctrl+C, so to say; return what the program still said and its exit code."""
    program.send_signal(signal.SIGINT)
    said, _ = program.communicate()
    return f"{said}exit {program.returncode}"


def main() -> None:
    """Tell the story in a directory of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        daemon = start("daemon", folder)
        try:
            run("cli", folder, "--foo", "--bar", "--duration", "0.2")
            long_job = start("cli", folder, "--foo", "--duration", "60")
            run("cli", folder, "--bar")
            run("daemon", folder)
            print("cli>", interrupt(long_job))
        finally:
            ended = interrupt(daemon)
        print("daemon>", ended)
        print("left behind:", sorted(folder.iterdir()))
        run("cli", folder, "--foo")


if __name__ == "__main__":
    main()
