"""Machines that go on whatever the user does: usual ones, odd ones, floods, and dumps of them."""

from __future__ import annotations

import contextlib
import gzip
from typing import TYPE_CHECKING, Any

from am_debugger import BadMessageError
from am_debugger._errors import NoRoomError
from am_debugger._files.dump_writer import write_dump
from am_debugger._store.layout import Flag
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..exporter import Exporter
from ..messages import mach, process, schema, tx
from .driving import fill_with_related, fill_with_two

if TYPE_CHECKING:
    import random
    from pathlib import Path

# Wide, from right to left, combining, with what terminals and markup give a meaning to, and none.
ODD_TEXTS = [
    "日本語の機械", "عامل-العربية", "e\u0301\u0301\u0301\u0301", "👩‍👩‍👧‍👦🇩🇪",
    "\u202eright to left", "a\u200bb",
    "[red]markup[/red]", "[/]", "[@click=app.quit]quit", "\x1b[31mred\x1b[0m",
    "a\tb\nc\rd", "\x00\x7f",
    "%s {} $HOME ../../x", "mach://worker-1/3?t=4", "x" * 1000, " ", "-", "~2", "\\", "[",
]  # fmt: skip
_HUGE = 1500


class OddMachine:
    """A machine with a schema as nobody writes one."""

    def __init__(self, link: Link, handle: int, chance: random.Random) -> None:
        self.link, self.handle, self.chance = link, handle, chance
        self.id = chance.choice(ODD_TEXTS)
        kind = chance.choice(["alone", "odd", "odd", "huge"])
        names = {
            "alone": ["Exception"],
            "odd": ["Exception", "A", "S" * 128, "Wait_1", *[f"Q{'_' * n}" for n in range(9)]],
            "huge": [f"State{number}" for number in range(_HUGE)] + ["Exception"],
        }[kind]
        self.size = len(names)
        states: dict[str, dict[str, Any]] = {"Exception": {"multi": True}}
        if self.size > 2:
            states[names[1]] = {"require": (2,), "add": tuple(range(3, min(40, self.size)))}
            states[names[2]] = {"auto": True, "tags": ("dbg:quiet", chance.choice(ODD_TEXTS))}
        groups = [(chance.choice(ODD_TEXTS[:8]), tuple(range(0, self.size, 2)))]
        self.sent = schema(tuple(names), groups=groups, **states)
        link.schema(self.sent)
        parent = chance.choice([None, self.id, "job", "nobody"])
        tags = tuple(chance.sample(ODD_TEXTS, 3))
        link.machine(mach(handle, self.id, self.sent, parent=parent, tags=tags))
        self.count = 0

    def do(self, time: int) -> None:
        """A transition with all that one may have."""
        chance, size = self.chance, self.size
        called = tuple(chance.sample(range(size), min(size, chance.choice([1, 1, 3, 20]))))
        accepted = chance.random() < 0.8
        changed = called if accepted else ()
        self.count += 1
        text = chance.choice(ODD_TEXTS)
        sent = tx(
            b"%02d%06d" % (self.handle, self.count),
            chance.choice([time, time, 0, (1 << 53) - 1]),
            called=called,
            kind=chance.randrange(3),
            flags=int(Flag.ACCEPTED if accepted else Flag(0)),
            diff=tuple([part for index in changed for part in (index, 1)]),
            queue_tick=self.count,
            source=chance.choice(
                [None, (self.id, b"%02d000001" % self.handle, 1), (text, None, 0)]
            ),
            args={text[:200]: text, "id": self.count},
            duration=chance.choice([None, 0, 10**9]),
            queue_len=chance.choice([None, 0, 10**6]),
            log=((chance.randrange(5), text), (2, text)),
            vetoed=(text,) if chance.random() < 0.3 else None,
            stack=(text, text),
            handlers=((text, 1),),
        )
        self.link.transition(self.handle, sent)


class Crowd:
    """Three machines of which one is recorded, and those that come."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.exporters: list[Exporter] = []
        self.odd: list[OddMachine] = []
        self.link: Any = None
        self.time = 1_000_000
        self.handles = 10

    def fill(self, store: Store) -> None:
        """Those that are there in the beginning."""
        fill_with_related(store)
        self.link = Link(store, process())
        for number in (1, 2):
            self.exporters.append(Exporter(self.link, f"worker-{number}", number))
            self.tell(self.chance.choice([0, 1, 30, 200]))

    def _add(self, id: str) -> None:
        """A machine comes; where there is no room for one, it is heard of no more."""
        self.handles += 1
        with contextlib.suppress(NoRoomError):
            self.exporters.append(Exporter(self.link, id, self.handles))

    def tell(self, count: int) -> None:
        """Machines do something; now and then one grows, loses something, or is a new one."""
        chance = self.chance
        if chance.random() < 0.1:
            self._add(f"new-{chance.randrange(100)}")
        if not self.exporters:
            return
        exporter = chance.choice(self.exporters)
        try:
            if chance.random() < 0.1:
                exporter.grow()
            if chance.random() < 0.1:
                exporter.lose({chance.randrange(3): 1})
            for _ in range(count):
                state = chance.randrange(4)
                self.time += 1_000_000
                exporter.do([state], {state: 1}, time=self.time, args={"id": self.time})
        except BadMessageError:
            self.exporters.remove(exporter)  # it was removed by a key, or for others to come
            self._add(exporter.id)

    def tell_oddly(self) -> None:
        """Odd machines come, do something, wait for something, end."""
        chance = self.chance
        self.time += 1_000_000
        if not self.odd or chance.random() < 0.2:
            self.handles += 1
            with contextlib.suppress(NoRoomError):
                self.odd.append(OddMachine(self.link, self.handles, chance))
        if not self.odd:
            return
        machine = chance.choice(self.odd)
        handle = machine.handle
        try:
            for _ in range(chance.choice([1, 5, 40])):
                machine.do(self.time)
            text = chance.choice(ODD_TEXTS)
            self.link.take(dbg.Log(handle, self.time, chance.randrange(5), text), self.time)
            item = dbg.PendingDef(chance.choice(["wait", "task", "?"]), text, (text,), 1)
            self.link.take(dbg.PendingMsg(handle, (item,) * 3), self.time)
            if chance.random() < 0.1:
                self.odd.remove(machine)
                self.link.take(dbg.Gone(handle, self.time), self.time)
        except BadMessageError:
            self.odd = [one for one in self.odd if one is not machine]

    def flood(self) -> int:
        """Log lines of 400 KB at once; returns how many bytes came."""
        line = "日log " * 500
        try:
            handle = self.chance.choice([*self.exporters, *self.odd]).handle
            for _ in range(100):
                self.time += 1_000
                self.link.take(dbg.Log(handle, self.time, 4, line), self.time)
        except (BadMessageError, IndexError):
            return 0  # it was removed
        return 100 * len(line)


def dumps(folder: Path, chance: random.Random) -> list[Path]:
    """A dump, the same damaged, the same cut, and what is none."""
    store = Store()
    fill_with_two(store)
    good = folder / "good.amdbg.gz"
    for _ in write_dump(store, good, process("writer")):
        pass
    data = good.read_bytes()
    plain = bytearray(gzip.decompress(data))
    for _ in range(3):
        plain[chance.randrange(len(plain))] = chance.randrange(256)
    made = {
        "changed": gzip.compress(plain),
        "cut": data[: chance.randrange(len(data))],
        "damaged": data[:200] + b"?" + data[201:],
        "none": b"hello",
    }
    for name, content in made.items():
        (folder / f"{name}.amdbg.gz").write_bytes(content)
    return [good, *[folder / f"{name}.amdbg.gz" for name in made], folder / "missing", folder]
