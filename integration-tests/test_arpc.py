"""`arpc` as a user has it: a program in a terminal, three machines in processes of their own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytestmark = [pytest.mark.process, pytest.mark.slow]

MACHINE = """
import sys
from dataclasses import dataclass

import trio

import am_machine as am
import am_rpc


@dataclass
class WorkArgs:
    n: int = 0


class States(am_rpc.StateSource):
    Ready = am.State()
    Work = am.State(multi=True, require=[Ready], args=WorkArgs)
    Busy = am.State(require=[Ready])
    Never = am.State()


class Handlers:
    def NeverEnter(self, event):
        return False


async def main(name):
    boss = am.Machine({"Up": {}}, id="boss") if name.startswith("child") else None
    async with am.Machine(States, id=name, handlers=Handlers(), parent=boss) as mach:
        mach.add("Ready")
        server = am_rpc.repl_env(mach)
        print(await server.ready(), flush=True)
        await trio.sleep_forever()


try:
    trio.run(main, sys.argv[1])
except* KeyboardInterrupt:
    pass
"""
ARPC = (str(Path(sys.executable).with_name("arpc")),)  # the installed program
# Makes the terminal the controlling one, so that Ctrl+C means something, then becomes the program.
LAUNCH = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
PATIENCE = 20.0  # seconds; a loaded machine is slow to start processes


class Fleet:
    """Processes with a machine each, and their address files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._script = folder.parent / "machine.py"
        self._script.write_text(MACHINE)
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self, *names: str) -> None:
        env = {**os.environ, "AM_REPL_ADDR": "127.0.0.1:0", "AM_REPL_DIR": str(self.folder)}
        for name in names:
            self._running[name] = subprocess.Popen(
                [sys.executable, self._script, name], env=env, stdout=subprocess.PIPE, text=True
            )
        for name in names:
            assert self.addr(name)

    def addr(self, name: str) -> str:
        """Return where a machine listens; to be asked once."""
        stdout = self._running[name].stdout
        assert stdout is not None
        return stdout.readline().strip()

    def stop(self, name: str, how: int = signal.SIGINT) -> int:
        process = self._running.pop(name)
        process.send_signal(how)
        code = process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
        return code

    def stop_all(self) -> None:
        for name in [*self._running]:
            self.stop(name, signal.SIGKILL)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three machines that the tests of a command share; they leave them as they were."""
    fleet = Fleet(tmp_path_factory.mktemp("arpc") / "addrs")
    try:
        fleet.start("odd", "worker-1", "worker-2")
        yield fleet
    finally:
        fleet.stop_all()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "addrs")
    try:
        yield made
    finally:
        made.stop_all()


def arpc(*argv: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ARPC, *map(str, argv)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **options,  # type: ignore[call-overload]
    )


# A command a line: its words, the exit code, and what stdout (0) or stderr (else) has to match.
COMMANDS = [
    ("add worker-1 Busy", 0, r"worker-1 executed \(Ready:1 Busy:\d+\)"),
    ("when worker-1 Busy", 0, r"Busy:\d+"),
    ("list -a Busy --states", 0, r"worker-1 +127\.0\.0\.1:\d+ +\d+ +2/9 +\(Ready:1 Busy:\d+\)"),
    ("toggle worker-1 Busy", 0, r"worker-1 executed \(Ready:1\)"),
    ("toggle worker-1 Busy", 0, r"worker-1 executed \(Ready:1 Busy:\d+\)"),
    ("remove worker-1 Busy", 0, r"worker-1 executed \(Ready:1\)"),
    ("when-not worker-1 Busy", 0, r"Busy:\d+"),
    ("set worker-1 Ready Busy", 0, r"worker-1 executed \(Ready:1 Busy:\d+\)"),
    ("group-remove Busy -a Busy", 0, r"worker-1 +executed"),
    ("group-add Work -p worker --arg n --val 5", 0, r"worker-2 +executed +\(Ready:1 Work:\d+\)"),
    ("group-remove Work", 0, r"odd +executed"),
    ("when-time worker-1 -s Ready -t 1 --timeout 5", 0, "Ready:1"),
    ("when-args worker-1 Work --arg n --val 1 --timeout 0.3", 4, r"not over after 0\.3 s"),
    ("mach odd", 0, r"odd \(Ready:1\)"),
    ("mach . --all", 0, r"odd \(Ready:1\) \[Exception:0 "),
    ("inspect worker-2", 0, r"Args +n"),
    ("time odd", 0, "0 0 0 0 0 1 "),
    ("time odd --sum", 0, r"\d+"),
    ("watch odd Never --timeout 0.3", 0, ""),
    ("watch odd Never -n 1 --timeout 0.3", 4, "0 of 1 changes"),
    ("list", 0, r"worker-2 +127"),
    ("status", 0, "3 connected, 0 connecting, 0 disconnected, 3 total"),
    ("connect", 0, "3 connected"),
    ("help when", 0, "Usage: when"),
    ("cheatsheet", 0, "group-add Stop"),
    ("add worker-1 Never", 1, "worker-1 canceled: refused by the machine"),
    ("add nobody Ready", 1, "no machine 'nobody'"),
    ("list -p nobody", 1, "no machine matches"),
    ("add worker-1 Nope", 2, "worker-1 has no state 'Nope'"),
    ("nope", 2, "no command 'nope'"),
    ("when odd Never --timeout 0.2", 4, r"not over after 0\.2 s"),
]
IDS = [f"{number} {line}" for number, (line, _, _) in enumerate(COMMANDS)]


@pytest.mark.parametrize(("line", "code", "told"), COMMANDS, ids=IDS)
def test_each_command_works_from_the_command_line(
    shared: Fleet, line: str, code: int, told: str
) -> None:
    done = arpc("-d", shared.folder, "-a", "--", *line.split())
    assert done.returncode == code, done
    assert re.search(told, done.stderr if code else done.stdout), done
    assert (done.stdout if code else done.stderr) == ""


def test_each_command_works_in_a_shell_that_reads_a_pipe(shared: Fleet, tmp_path: Path) -> None:
    script = tmp_path / "s"
    script.write_text("# two commands\nadd . Busy\nremove . Busy\n")
    lines = [line for line, _, _ in COMMANDS] + [f"script {script}", "exit", "add . Never"]
    done = arpc("-d", shared.folder, input="\n".join(lines) + "\n")
    assert done.returncode == 0, done
    for _, code, told in COMMANDS:
        assert re.search(told, done.stderr if code else done.stdout), told
    assert done.stdout.endswith("odd executed (Ready:1)\n")


def test_each_command_answers_in_json(shared: Fleet) -> None:
    done = arpc("-d", shared.folder, "--json", input="\n".join(c[0] for c in COMMANDS))
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [d["code"] for d in documents] == [code for _, code, _ in COMMANDS]
    assert [d["command"] for d in documents] == [line.split()[0] for line, _, _ in COMMANDS]
    assert all(d["ok"] == (d["code"] == 0) for d in documents)
    assert done.stderr == ""
    assert done.returncode == 4


def test_a_change_is_seen_from_another_terminal_as_it_happens(shared: Fleet) -> None:
    words = ["watch", "worker-2", "Busy", "-n", "2", "--timeout", "20"]
    watch = subprocess.Popen(
        [*ARPC, "-d", str(shared.folder), "--", *words],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watch.stdout is not None
    # It says nothing before the first change, so that is tried until it is seen.
    seen = False
    while not seen and watch.poll() is None:
        arpc("-d", shared.folder, "--", "toggle", "worker-2", "Busy")
        seen = bool(select.select([watch.stdout], [], [], 0.1)[0])
    if arpc("-d", shared.folder, "--", "list", "-p", "worker-2", "-a", "Busy").returncode == 0:
        arpc("-d", shared.folder, "--", "remove", "worker-2", "Busy")
    else:
        arpc("-d", shared.folder, "--", "add", "worker-2", "Busy")
    out, _ = watch.communicate(timeout=PATIENCE)
    arpc("-d", shared.folder, "--", "remove", "worker-2", "Busy")
    assert watch.returncode == 0
    signs = re.findall(r"^\d\d:\d\d:\d\d\.\d{3} ([-+])Busy:\d+$", out, re.MULTILINE)
    assert signs in (["+", "-"], ["-", "+"]), out


def test_machines_are_found_by_their_parent(fleet: Fleet) -> None:
    fleet.start("child-1", "lone")
    done = arpc("-d", fleet.folder, "--", "list", "-P", "boss")
    assert re.search(r"^child-1 +127\S+ +1 +1/9 +boss$", done.stdout, re.MULTILINE), done
    assert "lone" not in done.stdout


def test_addresses_come_from_arguments_or_a_file(shared: Fleet, tmp_path: Path) -> None:
    addrs = [path.read_text().strip() for path in sorted(shared.folder.iterdir())]
    hosts = tmp_path / "hosts"
    hosts.write_text("\n".join(addrs))
    for argv in (addrs, ["-f", str(hosts)]):
        done = arpc(*argv, "--", "status")
        assert done.stdout.startswith("3 connected"), done


def test_those_that_answer_are_enough_unless_all_are_asked_for(
    shared: Fleet, tmp_path: Path
) -> None:
    addr = min(shared.folder.iterdir()).read_text().strip()
    dead = f"unix:{tmp_path}/dead"
    done = arpc(dead, addr, "--", "mach", ".")
    assert (done.returncode, done.stdout) == (0, "odd (Ready:1)\n"), done
    done = arpc(dead, addr, "-a", "--", "mach", ".")
    assert (done.returncode, done.stdout) == (3, ""), done


@pytest.mark.parametrize("flags", [[], ["-a"]])
def test_a_machine_that_is_not_there_is_told_in_one_line(tmp_path: Path, flags: list[str]) -> None:
    dead = f"unix:{tmp_path}/dead"
    done = arpc(dead, *flags, "--", "mach", ".")
    assert (done.returncode, done.stdout) == (3, "")
    assert re.fullmatch(rf"not connected: {dead}: .*[Nn]o such file or directory\n", done.stderr)
    done = arpc(dead, "--", "status")
    assert re.fullmatch(rf"not reached: {dead}: .*[Nn]o such file or directory\n", done.stderr)


def test_an_address_that_does_not_answer_costs_a_second(shared: Fleet) -> None:
    addr = min(shared.folder.iterdir()).read_text().strip()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        done = arpc(f"127.0.0.1:{silent.getsockname()[1]}", addr, "--", "status")
        took = time.monotonic() - began
    assert done.stdout == "1 connected, 1 connecting, 0 disconnected, 2 total\n"
    assert 1.0 <= took < 6.0


def test_machines_go_on_without_arpc_and_clean_up_when_they_end(fleet: Fleet) -> None:
    fleet.start("worker-1")
    assert arpc("-d", fleet.folder, "--", "add", ".", "Busy").returncode == 0
    assert arpc("-d", fleet.folder, "--", "mach", ".").stdout == "worker-1 (Ready:1 Busy:1)\n"
    assert fleet.stop("worker-1") == 0
    assert list(fleet.folder.iterdir()) == []


def test_a_command_that_waits_is_interrupted(shared: Fleet) -> None:
    process = subprocess.Popen(
        [*ARPC, "-d", str(shared.folder), "--", "when", ".", "Never"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Nothing outside tells that the command has begun to wait; start and connect take about 0.5 s.
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


def test_a_reader_that_leaves_early_is_no_error(shared: Fleet) -> None:
    command = (
        f"{' '.join(ARPC)} -d {shared.folder} -- cheatsheet | head -1; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stderr == ""


# In a terminal.


class Terminal:
    """`arpc` on a pseudo-terminal: what is typed, and what the screen was told."""

    def __init__(self, argv: Sequence[str], home: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
        env = {**os.environ, "TERM": "xterm", "HOME": str(home), "PROMPT_TOOLKIT_NO_CPR": "1"}
        env.pop("XDG_STATE_HOME", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *ARPC, *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
        )
        os.close(slave)
        self._raw = ""
        self._at = 0

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def read(self) -> bool:
        """Take what is there; False if nothing came for a moment."""
        ready, _, _ = select.select([self._master], [], [], 0.05)
        if ready:
            # At the end of the program a read from its terminal fails.
            with contextlib.suppress(OSError):
                self._raw += os.read(self._master, 65_536).decode(errors="replace")
        return bool(ready)

    @property
    def text(self) -> str:
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])", "", self._raw).replace("\r", "")

    def expect(self, pattern: str, within: float = PATIENCE) -> re.Match[str]:
        """Read until something new matches."""
        deadline = time.monotonic() + within
        while True:
            match = re.compile(pattern).search(self.text, self._at)
            if match is not None:
                self._at = match.end()
                return match
            if time.monotonic() > deadline:
                pytest.fail(f"no {pattern!r} in {self.text[self._at :]!r}")
            self.read()

    def end(self) -> int:
        """Wait for the program, reading on, since it may wait for us to read."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.process.kill()
        code = self.process.wait()
        os.close(self._master)
        return code


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(*argv: str | Path) -> Terminal:
        opened.append(Terminal([str(arg) for arg in argv], tmp_path))
        return opened[-1]

    yield open_terminal
    for made in opened:
        if made.process.poll() is None:
            made.process.kill()
            made.process.wait()


def test_each_command_works_at_the_prompt(
    shared: Fleet, terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    shell = terminal("-d", shared.folder)
    shell.expect(r"worker-2 +127\S+ +\d+ +1/9 +connected")
    shell.expect("arpc 3/3>")
    for line, _, told in COMMANDS:
        shell.type(f"{line}\r")
        shell.expect(re.escape(line))
        shell.expect(told)
        shell.expect("arpc 3/3>")
    shell.type("exit\r")
    assert shell.end() == 0
    assert "+add worker-1 Busy" in (tmp_path / ".local/state/arpc/history").read_text()


def test_tab_completes_commands_machines_and_states(
    shared: Fleet, terminal: Callable[..., Terminal]
) -> None:
    shell = terminal("-d", shared.folder)
    shell.expect("arpc 3/3>")
    shell.type("insp\t")
    shell.expect("inspect")
    shell.type(" wor\t")
    shell.expect("worker-")
    shell.type("2\r")
    shell.expect("worker-2 at 127")
    shell.expect("arpc 3/3>")
    shell.type("add odd Nev\t")
    shell.expect("Never")
    shell.type("\r")
    shell.expect("odd canceled: refused by the machine")
    shell.expect("arpc 3/3>")
    shell.type("\x04")
    assert shell.end() == 1


def test_ctrl_c_ends_a_command_and_clears_a_line_but_not_the_shell(
    shared: Fleet, terminal: Callable[..., Terminal]
) -> None:
    shell = terminal("-d", shared.folder)
    shell.expect("arpc 3/3>")
    shell.type("when . Never\r")
    shell.expect("when . Never")
    # The echo is the terminal's; the command itself has begun a moment later.
    time.sleep(0.5)
    shell.type("\x03")
    shell.expect("interrupted")
    shell.expect("arpc 3/3>")
    shell.type("remove . Ready\x03")
    shell.expect("arpc 3/3>")
    shell.type("mach .\r")
    shell.expect(r"odd \(Ready:1\)")
    shell.type("exit\r")
    assert shell.end() == 0


def test_sigterm_leaves_the_terminal_as_it_was(
    shared: Fleet, terminal: Callable[..., Terminal]
) -> None:
    shell = terminal("-d", shared.folder)
    shell.expect("arpc 3/3>")
    shell.process.terminate()
    assert shell.end() == 0


def test_a_new_address_file_is_listed_within_three_seconds_and_a_lost_one_is_dropped(
    fleet: Fleet, terminal: Callable[..., Terminal]
) -> None:
    fleet.start("worker-1", "worker-2")
    shell = terminal("-d", fleet.folder)
    shell.expect("arpc 2/2>")
    fleet.start("worker-3")  # returns once its file is there
    began = time.monotonic()
    shell.expect("connected: worker-3 at ")
    shell.expect("arpc 3/3>", within=1.0)
    took = time.monotonic() - began
    print(f"listed after {took:.2f} s")
    assert took <= 3.0
    shell.type("list -p worker-3\r")
    shell.expect(r"worker-3 +127\S+ +1 +1/9")

    fleet.stop("worker-2", signal.SIGKILL)  # leaves its file behind
    shell.expect("lost: worker-2 at ")
    shell.expect("arpc 2/3>")
    shell.type("list --disconn\r")
    shell.expect(r"worker-2 +127\S+ +1 +1/9 +disconnected")
    fleet.start("worker-2")  # another process, another port, the same file
    shell.expect("gone: worker-2 at ")
    shell.expect("connected: worker-2 at ")
    shell.expect("arpc 3/3>")
    fleet.stop("worker-1")  # takes its file away
    shell.expect("gone: worker-1 at ")
    shell.expect("arpc 2/2>")
    shell.type("exit\r")
    assert shell.end() == 0


def test_what_a_machine_says_does_not_reach_the_terminal_unescaped(
    fleet: Fleet, terminal: Callable[..., Terminal]
) -> None:
    fleet.start("\x1b]0;owned\x07\x1b[2J")
    shell = terminal("-d", fleet.folder, "--no-watch")
    shell.expect(r"\\x1b\]0;owned\\x07\\x1b\[2J +127")
    shell.expect("arpc 1/1>")
    shell.type("mach .\r")
    shell.expect(r"\\x1b\]0;owned\\x07\\x1b\[2J \(Ready:1\)")
    shell.type("mach \t\t")
    shell.expect(r"\\x1b\]0;owned")
    shell.type("\x03exit\r")
    shell.end()
    assert "\x1b]0;" not in shell._raw
