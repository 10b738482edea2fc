"""A real terminal: a tmux server of its own, keys, and what it shows."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

from .real_servers import tool

if TYPE_CHECKING:
    from pathlib import Path

# Runs `am-dbg` as its command does, with a fault in it.
_FAULTY = "{fault}\nfrom am_debugger._cli.main import main\nimport sys\nsys.exit(main())"


class Screen:
    """A terminal of so many columns and lines in a folder, with a command of the shell in it."""

    def __init__(
        self,
        folder: Path,
        command: str,
        env: dict[str, str] | None = None,
        size: tuple[int, int] = (120, 40),
    ) -> None:
        tool("tmux", "tmux", by="dev -- processes")
        self.folder = folder
        self._socket = folder / "tmux"
        environ = {**os.environ, "TERM": "xterm-256color", **(env or {})}
        place = ("-x", str(size[0]), "-y", str(size[1]), "-c", str(folder))
        self.tmux("-f", "/dev/null", "new-session", "-d", *place, command, env=environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):  # the last session may be gone
            self.tmux("kill-server")

    def tmux(self, *args: str, env: dict[str, str] | None = None) -> str:
        command = ["tmux", "-S", str(self._socket), *args]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys, by the names that tmux has for them."""
        self.tmux("send-keys", *keys)

    def text(self) -> str:
        """What the terminal shows."""
        return self.tmux("capture-pane", "-p")

    def until(self, words: str, seconds: float = 30) -> str:
        """What the terminal shows, once it has these words."""
        return self.until_found(re.escape(words), seconds)

    def until_found(self, pattern: str, seconds: float = 30) -> str:
        """What the terminal shows, once a regular expression is found in it."""
        deadline = time.monotonic() + seconds
        while re.search(pattern, shown := self.text()) is None:
            assert time.monotonic() < deadline, f"no {pattern!r} in\n{shown}"
            time.sleep(0.1)  # a terminal does not announce what it shows
        return shown


class Terminal(Screen):
    """A terminal with `am-dbg` in it; `fault` is code that spoils a part of it."""

    def __init__(
        self, folder: Path, *argv: str, fault: str = "", size: tuple[int, int] = (120, 40)
    ) -> None:
        self.address = f"unix:{folder / 'dbg'}"
        program = ["-c", _FAULTY.format(fault=fault)] if fault else ["-m", "am_debugger"]
        am_dbg = shlex.join([sys.executable, *program, *(argv or ("-l", self.address))])
        told = "echo rc=$?; stty -a | tr ' ' '\\n' | grep -x -e echo -e -echo -e icanon -e -icanon"
        env = {"XDG_CONFIG_HOME": str(folder)}
        super().__init__(folder, f"{am_dbg}; {told}; sleep 100", env, size)

    def pid(self) -> int:
        """The process of `am-dbg`."""
        shell = int(self.tmux("list-panes", "-F", "#{pane_pid}"))
        command = ["pgrep", "-P", str(shell), "-f", "am_debugger"]
        found = subprocess.run(command, capture_output=True, text=True)
        return int(found.stdout.split()[0]) if found.stdout else shell

    def assert_sane(self, code: int) -> str:
        """It ended with this code, and the terminal is as it was before; what it shows now."""
        self.until(f"rc={code}")
        shown = self.until("icanon")
        assert {"echo", "icanon"} <= set(shown.split())
        assert not (self.folder / "dbg").exists()
        return shown


def free_port() -> int:
    """A port of the loopback interface that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def assert_free(port: int, seconds: float = 20) -> None:
    """Nobody listens at a port any more, or soon."""
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as asking:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                asking.bind(("127.0.0.1", port))
            except OSError:
                assert time.monotonic() < deadline, f"somebody listens at {port}"
            else:
                return
        time.sleep(0.1)  # another process, whose end nobody announces
