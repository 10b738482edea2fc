"""The rows of the table, each measured on real processes."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from terminals import Measured, Terminal, headless

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
LEFT, HOME, END, ENTER, DOWN = "\x1b[D", "\x1b[H", "\x1b[F", "\r", "\x1b[B"
JUMP_BACK, RAIN, TAIL, NEXT_PANE = "\x1bh", "\x1br", "\x1bv", "\t"
PATIENCE = 900
# Seconds of the processor from one key to the next while a dump is loaded: on the wall they would
# come more often where others share the machine, and take more of what is measured.
_BETWEEN = 1.0
# A step in the log.
_ROUND = re.compile(r"\(id=(\d+) ")
_STATUS = re.compile(r"(ready|loading[^|]*) \| ([0-9.]+) MB")
_SHARE = re.compile(r"loading (\d+%)")
MS = 1e-3


@dataclass
class Sizes:
    """How much is made, and how often keys are pressed."""

    machines: int = 100
    transitions: int = 1_000_000
    keys: int = 60
    rate: float = 20_000
    idle: float = 20


@dataclass
class Figure:
    """A row: what was measured, and what is wanted, of the same unit. `judged` is what the goal is
    compared with: processor time where others share the machine."""

    name: str
    told: str
    goal: str
    misses: bool = False


@dataclass
class Run:
    """One run of all rows, in one folder."""

    folder: Path
    sizes: Sizes
    given: Path | None = None
    """A dump that is there already."""
    figures: list[Figure] = field(default_factory=list)

    def tell(self, name: str, told: str, goal: str, *, misses: bool = False) -> None:
        """A row is done."""
        self.figures.append(Figure(name, told, goal, misses))
        print(f"{name:<42} {told:<58} {goal}{' !' if misses else ''}", flush=True)

    @property
    def address(self) -> str:
        """Where `am-dbg` listens."""
        return f"unix:{self.folder / 'dbg.sock'}"

    @property
    def dump(self) -> Path:
        """The dump of all transitions."""
        return self.given or next(iter(sorted(self.folder.glob("*.amdbg.gz"))))


class Feed:
    """A program whose machines do something; how far it is."""

    def __init__(self, address: str, *options: object) -> None:
        command = [sys.executable, str(HERE / "machines.py"), address, *map(str, options)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.made = 0
        self.times: list[tuple[float, int]] = []
        self.is_done = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, made = line.split()
            self.made = int(made)
            if word == "done":
                self.is_done.set()
            else:
                self.times.append((float(word), self.made))

    def end(self) -> None:
        """End it, wherever it is."""
        self._process.kill()
        self._process.wait()
        self._reader.join()


@contextmanager
def feeding(address: str, *options: object) -> Iterator[Feed]:
    """A program that is ended in the end."""
    feed = Feed(address, *options)
    try:
        yield feed
    finally:
        feed.end()


def p95(took: list[float]) -> float:
    """The 95th of hundred."""
    return quantiles(took, n=20)[18] if len(took) > 1 else took[0]


def ms(took: list[float]) -> str:
    """Median and 95th of hundred, in milliseconds."""
    return f"p50 {median(took) / MS:.0f} p95 {p95(took) / MS:.0f} ms"


# ---------------------------------------------------------------------- without a screen


def collector(run: Run) -> None:
    """Two programs at full speed into a collector, which then writes a dump of it all."""
    sizes = run.sizes
    each = sizes.transitions // 2
    process = headless(run.folder, "-l", run.address, "--rotate-tx", str(2 * each - sizes.machines))
    try:
        measured = Measured(process.pid)
        was_cpu, was_held, began = measured.cpu(), measured.resident(), time.monotonic()
        half = max(sizes.machines // 2, 1)
        options = ("--machines", half, "--transitions", each, "--detail", 1)
        with (
            feeding(run.address, *options) as one,
            feeding(run.address, *options, "--first", half) as other,
        ):
            for feed in (one, other):
                if not feed.is_done.wait(PATIENCE):
                    raise TimeoutError("the collector does not keep up at all")
            took, cpu = time.monotonic() - began, measured.cpu() - was_cpu
            made = one.made + other.made
            held = (measured.resident() - was_held) / made
            until = time.monotonic() + PATIENCE
            while not list(run.folder.glob("*.amdbg.gz")):
                if time.monotonic() > until:
                    process.terminate()
                    assert process.stderr is not None
                    raise TimeoutError(f"no dump was written: {process.stderr.read()}")
                time.sleep(0.2)
        per_cpu = made / cpu
        told = f"{per_cpu:,.0f} tx/s of processor, {made / took:,.0f} on the wall"
        run.tell("ingest, headless", told, ">= 50,000 tx/s", misses=per_cpu < 50_000)
        run.tell(
            "memory per transition (with args)", f"{held:.0f} B", "<= 400 B", misses=held > 400
        )
    finally:
        process.terminate()
        process.wait(60)
        assert process.stderr is not None
        process.stderr.close()


# ---------------------------------------------------------------------- start and import


def first_paint(run: Run) -> None:
    """From the command to the first screen."""
    wall, cpu = [], []
    for _ in range(min(run.sizes.keys, 5)):
        with Terminal(run.folder, "-l", run.address) as screen:
            screen.until(lambda: "Machines:" in screen.text, PATIENCE)
            wall.append(time.monotonic() - screen.began)
            cpu.append(screen.cpu())
    told = f"{median(cpu):.2f} s of processor, {median(wall):.2f} s on the wall"
    run.tell("start to first paint", told, "< 1 s", misses=median(cpu) > 1)


def imported(run: Run) -> None:
    """From the command until a dump is loaded, with the screen alive."""
    with Terminal(run.folder, "-l", run.address, "--import", str(run.dump)) as screen:
        screen.until(lambda: "Machines:" in screen.text, PATIENCE)
        painted = time.monotonic() - screen.began
        shares: set[str] = set()
        gaps: list[float] = []
        until = time.monotonic() + PATIENCE
        due = screen.cpu() + _BETWEEN
        while not screen.comes(lambda: is_loaded(screen), 0.2):
            if time.monotonic() > until:
                raise TimeoutError(f"the dump is not loaded: {screen.text[-2000:]!r}")
            shares.update(_SHARE.findall(screen.text))
            if screen.cpu() < due:
                continue
            # The help, which was not there; then it goes again.
            screen.text, used = "", screen.cpu()
            due = used + _BETWEEN
            screen.press("?")
            screen.until(lambda: "next pane" in screen.text or is_loaded(screen), PATIENCE)
            gaps.append(screen.cpu() - used)
            screen.press("?")
        took, cpu = time.monotonic() - screen.began, screen.cpu()
    alive = f"; {len(shares)} shares told, a key {ms(gaps)}" if gaps else ""
    told = f"{cpu:.1f} s of processor, {took:.1f} on the wall, painted at {painted:.1f}{alive}"
    wanted = 20 * run.sizes.transitions / 1e6
    run.tell(
        "import, with the start", told, f"< {wanted:.1f} s, UI alive", misses=cpu > max(wanted, 3)
    )


def is_loaded(screen: Terminal) -> bool:
    """Whether the status said last that it holds something and loads nothing."""
    found = _STATUS.findall(screen.text)
    return bool(found) and found[-1][0] == "ready" and float(found[-1][1]) > 0


# ---------------------------------------------------------------------- keys


def choose(screen: Terminal, machine: str = "worker-0") -> None:
    """Select the first machine, and stand at its end."""
    screen.until(lambda: is_loaded(screen), PATIENCE)
    screen.press("\f")  # all is drawn anew, machines that were listed long ago among it
    screen.until(lambda: machine in screen.text, PATIENCE)
    screen.settle()
    screen.press(HOME + ENTER)
    screen.until(lambda: bool(screen.place and screen.place[1]), PATIENCE)
    screen.settle()
    screen.press(END)
    screen.settle()


@dataclass
class Pressed:
    """A key, again and again: seconds on the wall and of the processor until the screen shows
    another place, and of the processor until it is at rest."""

    wall: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    rest: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return f"processor {ms(self.shown)}, at rest {ms(self.rest)}; wall {ms(self.wall)}"


def press(screen: Terminal, key: str, count: int) -> Pressed:
    """Press a key so often."""
    took = Pressed()
    for _ in range(count):
        was, used = screen.place, screen.cpu()
        screen.press(key)
        took.wall.append(screen.until(lambda was=was: _moved(screen, was), PATIENCE))
        took.shown.append(screen.cpu() - used)
        screen.settle(0.12, 0.3)
        took.rest.append(screen.cpu() - used)
    return took


def _moved(screen: Terminal, was: tuple[int, int] | None) -> bool:
    return screen.place is not None and was is not None and screen.place[0] != was[0]


def keys(run: Run) -> None:
    """Steps, jumps and rain with everything loaded; steps while much comes in, too."""
    count = run.sizes.keys
    argv = ("-l", run.address, "--no-tail", "--import", str(run.dump))
    with Terminal(run.folder, *argv) as screen:
        choose(screen)
        for name, key in (("step", LEFT), ("jump", JUMP_BACK)):
            many = count if key is LEFT else min(count, run.sizes.transitions // 100 // 60)
            took = press(screen, key, max(many, 3))
            run.tell(f"key: {name}", str(took), "p95 < 50 ms", misses=p95(took.rest) > 0.05)
        screen.press(END + RAIN)
        screen.settle()
        took = press(screen, LEFT, count)
        run.tell("key: step in the rain", str(took), "p95 < 50 ms", misses=p95(took.rest) > 0.05)
        screen.press(RAIN + END)
        rate = run.sizes.rate
        options = ("--rate", rate, "--transitions", 1 << 40, "--machines", run.sizes.machines)
        with feeding(run.address, *options) as feed:
            screen.until(lambda: feed.made > rate / 10, PATIENCE)
            was_made, began, used = feed.made, time.monotonic(), screen.cpu()
            took = press(screen, LEFT, count)
            lasted = time.monotonic() - began
            came, share = (feed.made - was_made) / lasted, (screen.cpu() - used) / lasted
            per_cpu = came / share if share else 0.0
        # What comes in meanwhile keeps it busy: there is no rest.
        told = f"processor {ms(took.shown)}; wall {ms(took.wall)} at {came:,.0f} tx/s, {share:.0%}"
        misses = p95(took.shown) > 0.05
        run.tell("key: step while much comes in", told, "p95 < 50 ms", misses=misses)
        told = f"{per_cpu:,.0f} tx/s of processor, keys among them"
        run.tell("ingest, UI open", told, ">= 20,000 tx/s", misses=per_cpu < 20_000)


def tail(run: Run) -> None:
    """From a transition to the screen that shows it."""
    seconds = max(run.sizes.keys / 5, 3)
    argv = ("-l", run.address, "--select-connected", "--tail", "--no-reader")
    with Terminal(run.folder, *argv) as screen:
        options = ("--machines", 1, "--rate", 20, "--transitions", 1 << 30)
        with feeding(run.address, *options) as feed:
            screen.until(lambda: bool(_newest(screen)), PATIENCE)
            seen: list[tuple[float, int]] = []
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                screen.read(0.5)
                newest = _newest(screen)
                if not seen or seen[-1][1] != newest:
                    seen.append((time.monotonic(), newest))
            late = [at - feed.times[k][0] for at, k in seen if k < len(feed.times)]
    told = f"wall {ms(late)}, {len(late)} seen in {seconds:.0f} s at 20 tx/s"
    run.tell("tail: made to screen", told, "p95 < 100 ms")


def _newest(screen: Terminal) -> int:
    """The latest round that the log shows."""
    return max([int(number) for number in _ROUND.findall(screen.text)], default=0)


def idle(run: Run) -> None:
    """Machines that are connected and do nothing."""
    with Terminal(run.folder, "-l", run.address) as screen:
        options = ("--machines", run.sizes.machines, "--transitions", 1)
        with feeding(run.address, *options) as feed:
            feed.is_done.wait(PATIENCE)
            screen.settle(1)
            used, until = screen.cpu(), time.monotonic() + run.sizes.idle
            while time.monotonic() < until:
                screen.read(1)
            share = (screen.cpu() - used) / run.sizes.idle
    run.tell(
        "idle, all machines quiet", f"{share:.2%} of a processor", "< 2 %", misses=share > 0.02
    )


ROWS = (collector, first_paint, imported, keys, tail, idle)
