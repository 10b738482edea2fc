"""Follow a README in an environment that holds what it installs, and nothing of the tree:

    python -m release.readmes packages/am-rpc/README.md FOLDER PROGRAMS

Its python blocks are run in FOLDER, which should be empty, and then the commands that it prints, in
their order, with those of the folder PROGRAMS. What a command prints has to be what the page shows
after it. Commands that stay until they are stopped run in a terminal of their own until the end of
their block. What cannot be run is told, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from release.printed import INSTALLS

ROOT = Path(__file__).parent.parent
LIMIT = 60.0  # seconds for a command that ends by itself, where nothing else runs
PATIENCE = 20.0  # seconds until one that stays has to have said something
# How a command that stays may end when it is interrupted.
INTERRUPTED = {0, 130, -signal.SIGINT}
# What no reader can type in as it is, by what occurs in the command.
NOT_AS_PRINTED = {
    ".venv/bin/nox": "is about the tree itself",
    "otherhost": "needs another host",
    "10.0.0.": "needs other hosts",
    "10.1.0.": "needs other hosts",
    "/shared/": "needs other hosts",
    "worker-": "is about a machine of the reader's own",
    "yesterday": "is about a dump of the reader's own",
    "localhost:3000": "needs a Grafana",
    "AM_OTEL_TRACE=1 am-telemetry check": "depends on what is installed, and finds a fault",
    "promtool": "needs a Prometheus",
    "python shop.py": "needs a program of the reader's own",
    "python tea.py": "needs a program of the reader's own",
    "nox -s": "is about the tree itself",
    "docker compose": "needs containers",
    "/var/tmp": "writes outside of the folder",
    "/run/user": "needs a debugger of the reader's own",
    "127.0.0.1:6831": "needs a debugger of the reader's own",
    "--repl": "needs am-rpc[repl], which no line of the page installs",
}
# What stays until it is interrupted.
STAYS = re.compile(
    r"^(am-dbg( --import \S+| --web \S+| --serve \S+)?|am-node supervisor .*"
    r"|python -m examples\.(arpc\.server|browser|cli_daemon\.daemon|repl)\b.*"
    r"|AM_REPL_ADDR=1 python -m examples\.mach_template)$"
)
_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FIRST_PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A printed command, and what the page shows that it prints; None if the page shows nothing."""

    line: str
    output: str | None

    @property
    def reason(self) -> str | None:
        """Why it is not run."""
        found = (why for word, why in NOT_AS_PRINTED.items() if word in self.line)
        return next(found, None)


def blocks_of_commands(page: str) -> list[list[Command]]:
    """The commands of each console block, less those that install."""
    found = [_commands(block) for block in _CONSOLE.findall(page)]
    return [[one for one in block if not INSTALLS.search(one.line)] for block in found]


def _commands(block: str) -> list[Command]:
    lines = re.sub(r" *\\\n *", " ", block.rstrip("\n")).split("\n")
    if not block.startswith("$ "):  # without prompts: each line is a command
        return [Command(_bare(line), None) for line in lines if line]
    commands: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            commands.append((_bare(line[2:]), []))
        else:
            commands[-1][1].append(line)
    return [Command(line, "\n".join(shown) if shown else None) for line, shown in commands]


def _bare(line: str) -> str:
    """Without the remark at its end."""
    return re.sub(r"\s{2,}# .*$", "", line).strip()


class Staying:
    """A command in a terminal of its own, until it is stopped."""

    def __init__(self, command: str, folder: Path, env: dict[str, str]) -> None:
        self.command = command
        ours, theirs = pty.openpty()
        self.screen = ours
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec env {command}"],
            cwd=folder, env={**env, "TERM": "xterm-256color"},
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.told = ""

    def wait_for_a_word(self, word: str = r"\S", patience: float = PATIENCE) -> None:
        """Return when it has printed something, such as `word`, a pattern.

        :raises AssertionError: if it does not in `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while not re.search(word, self.told) and time.monotonic() < deadline:
            self.listen(0.1)
        assert re.search(word, self.told), (self.command, word, self.told)

    def listen(self, seconds: float) -> None:
        """Take in what it prints meanwhile, so that it is never held up."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.screen], [], [], left)[0]:
                try:
                    self.told += os.read(self.screen, 65536).decode(errors="replace")
                except OSError:  # it has ended
                    return

    def stop(self) -> int:
        """Interrupt it and what it started, as Ctrl+C does, and return its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self.listen(0.1)
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        os.close(self.screen)
        return code


class Follower:
    """Types in what one page prints. A command may take `limit` seconds."""

    limit = LIMIT

    def __init__(self, page: Path, folder: Path, programs: Path) -> None:
        self.text = page.read_text()
        self.folder = folder
        self.programs = programs
        (folder / "run").mkdir(mode=0o700)
        self.env = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }

    def follow(self) -> list[str]:
        """Run all of it; what was not run, with its reason.

        :raises AssertionError: if something does not go as the page says.
        """
        self.run_blocks()
        return self.run_commands()

    def run_blocks(self) -> None:
        """Run the python blocks; the first of them is a program for the commands, too.

        :raises AssertionError: if something does not go as the page says.
        """
        shutil.copy(ROOT / "docs" / "blocks.py", self.folder)
        (self.folder / "README.md").write_text(self.text)
        if first := _FIRST_PYTHON.search(self.text):
            (self.folder / "program.py").write_text(first[1])
        if first:
            self.run("python blocks.py README.md")

    def run_commands(self) -> list[str]:
        """Type in the commands; what was not run, with its reason.

        :raises AssertionError: if something does not go as the page says.
        """
        left: list[str] = []
        for block in blocks_of_commands(self.text):
            left += self.type_in(block)
        return left

    def type_in(self, block: list[Command]) -> list[str]:
        """Run the commands of one block."""
        left: list[str] = []
        staying: list[Staying] = []
        try:
            for command in block:
                line = command.line.replace(".venv/bin/", "")
                if command.reason is not None:
                    left.append(f"{command.line}: {command.reason}")
                elif line.startswith("cat ") and command.output is not None:
                    # What the page shows of a file is how the file gets there.
                    (self.folder / line.split()[1]).write_text(command.output + "\n")
                elif STAYS.match(line):
                    staying.append(Staying(line, self.folder, self.env))
                    staying[-1].wait_for_a_word()
                else:
                    self.compare(line, command.output)
        finally:
            codes = {one.command: one.stop() for one in staying}
        for one in staying:
            ending = (one.command, codes[one.command], one.told[-2000:])
            assert codes[one.command] in INTERRUPTED, ending
            assert "Traceback" not in one.told, ending
            print(f"ran until it was interrupted: {one.command}")
        return left

    def compare(self, line: str, shown: str | None) -> None:
        """Run a command that ends by itself, which has to print what the page shows."""
        told = self.run(line)
        if shown is not None:
            assert is_shown(told, shown), (line, told)

    def run(self, line: str) -> str:
        """Run a command that has to succeed; what it prints."""
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=self.limit,
        )  # fmt: skip
        assert done.returncode == 0, f"{line} ended with {done.returncode}\n{done.stderr}"
        print(f"ran: {line}")
        return done.stdout.strip("\n")


def is_shown(told: str, shown: str) -> bool:
    """Whether these are the lines that a page shows, in any order, as workers answer in any; `…` on
    the page stands for any text within a line."""
    left = told.split("\n")
    for line in sorted(shown.split("\n"), key=lambda one: "…" in one):
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        found = next((one for one in left if pattern.fullmatch(one)), None)
        if found is None:
            return False
        left.remove(found)
    return not left


def main() -> None:
    """Follow the page of the command line."""
    page, folder, programs = map(Path, sys.argv[1:])
    left = Follower(page, folder, programs).follow()
    for line in left:
        print(f"not run: {line}")


if __name__ == "__main__":
    main()
