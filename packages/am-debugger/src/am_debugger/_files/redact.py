"""Messages without what is nobody else's business: values, texts, names of machines and hosts.

What stays is how states moved: that is what a report of a fault is about.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from am_telemetry import dbg

if TYPE_CHECKING:
    from .._store.client import Client
    from .._store.store import Store

KINDS = ("args", "logs", "ids")
HIDDEN = "redacted"


class Redaction:
    """Changes messages so that some kinds of content are gone; `kinds` are of `KINDS`.

    * `args`: values of arguments;  `logs`: log lines, notes and stack traces
    * `ids`: ids of machines and processes, hosts, programs, values of tags. Others take their
      place, the same one for the same id, also within texts that are kept.
    """

    def __init__(self, store: Store, kinds: frozenset[str]) -> None:
        self._kinds = kinds
        self._machines: dict[str, str] = {}
        self._processes: dict[str, str] = {}
        for client in store:
            self._machine(client.machine_id)
            for other in sorted(_named_by(client)):
                self._machine(other)
        # The longest first: an id may be part of another.
        named = sorted(self._machines, key=len, reverse=True)
        pattern = "|".join([re.escape(name) for name in named])
        self._pattern = re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])") if named else None

    def __call__(self, message: dbg.Message) -> dbg.Message | None:
        """The message as it may be given away; None: not at all."""
        match message:
            case dbg.DumpBegin(version, process):
                return dbg.DumpBegin(version, self._process(process))
            case dbg.Mach():
                return self._mach(message)
            case dbg.Txs(entries):
                return dbg.Txs(tuple([(h, self._tx(tx)) for h, tx in entries]))
            case dbg.Log(h, time, level, text):
                return None if "logs" in self._kinds else dbg.Log(h, time, level, self._text(text))
        return message

    def _machine(self, id: str) -> str:
        if "ids" not in self._kinds:
            return id
        return self._machines.setdefault(id, f"m{len(self._machines) + 1}")

    def _process(self, process: dbg.Process) -> dbg.Process:
        if "ids" not in self._kinds:
            return process
        id = self._processes.setdefault(process.id, f"p{len(self._processes) + 1}")
        return dataclasses.replace(process, id=id, pid=0, host=HIDDEN, argv0=HIDDEN, via=())

    def _mach(self, sent: dbg.Mach) -> dbg.Mach:
        if "ids" not in self._kinds:
            return sent
        pipes = [dataclasses.replace(p, machine_id=self._machine(p.machine_id)) for p in sent.pipes]
        return dataclasses.replace(
            sent,
            id=self._machine(sent.id),
            parent=None if sent.parent is None else self._machine(sent.parent),
            tags=tuple([self._tag(tag) for tag in sent.tags]),
            pipes=tuple(pipes),
            process=None if sent.process is None else self._process(sent.process),
        )

    def _tag(self, tag: str) -> str:
        """The key of a tag says what it is, its value may say whose."""
        key, colon, value = tag.partition(":")
        return f"{key}:{self._machines.get(value, HIDDEN)}" if colon else tag

    def _tx(self, sent: dbg.Tx) -> dbg.Tx:
        more: dict[str, Any] = {}
        if sent.args:
            is_hidden = "args" in self._kinds
            more["args"] = {
                key: HIDDEN if is_hidden else self._text(value) for key, value in sent.args.items()
            }
        if "logs" in self._kinds:
            more |= {"log": None, "stack": None}
        elif sent.log:
            more["log"] = tuple([(level, self._text(text)) for level, text in sent.log])
        if sent.source is not None:
            machine_id, *rest = sent.source
            more["source"] = (self._machine(machine_id), *rest)
        return sent._replace(**more)

    def _text(self, value: Any) -> Any:
        if self._pattern is None or "ids" not in self._kinds or not isinstance(value, str):
            return value
        return self._pattern.sub(lambda found: self._machines[found[0]], value)


def _named_by(client: Client) -> set[str]:
    """The machines that a machine names: parent, pipes, sources."""
    found = {pipe.machine_id for version in client.versions for pipe in version.pipes}
    for chunk in client.columns.chunks:
        found |= {source for source in chunk.sources if source is not None}
    if client.parent_id is not None:
        found.add(client.parent_id)
    return found
