"""Messages to their wire form."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from . import messages as m
from .codec import pack

if TYPE_CHECKING:
    from collections.abc import Iterable

    import am_machine as am

_DOC = 1000  # characters of a state's description that travel


def encode(message: m.Message) -> bytes:
    """The bytes of a message.

    :raises TypeError: if it is one that is only read.
    """
    return pack(to_wire(message))


def to_wire(message: m.Message) -> list[Any]:
    """The same as a value."""
    match message:
        case m.Hello(version, process, caps):
            return [0, 1, "dbg.hello", [version, process_map(process), list(caps)]]
        case m.Auth(nonce, mac):
            return [0, 2, "dbg.auth", [nonce, mac]]
        case m.Welcome(caps):
            return [1, 1, None, list(caps)]
        case m.Challenge(nonce):
            return [1, 1, None, {"auth": nonce}]
        case m.Proof(mac, caps):
            return [1, 2, None, [list(caps), mac]]
        case m.Refusal(number, error):
            return [1, number, error, None]
    method, params = _params(message)
    return [2, method, params]


def _params(message: m.Message) -> tuple[str, list[Any]]:
    match message:
        case m.Txs(entries):
            return "dbg.txs", [[[h, tx_list(tx)] for h, tx in entries]]
        case m.SchemaDef():
            return "dbg.schema", [message.hash, schema_map(message)]
        case m.Mach():
            return "dbg.mach", [message.h, _mach_map(message)]
        case m.Log(h, time, level, text):
            return "dbg.log", [h, time, level, text]
        case m.PendingMsg(h, items):
            return "dbg.pending", [h, [[i.kind, i.label, i.states, i.age] for i in items]]
        case m.Gone(h, time):
            return "dbg.gone", [h, time]
        case m.Left(h):
            return "dbg.left", [h]
        case m.Drop(h, count, time):
            return "dbg.drop", [h, count, time]
        case m.Ping():
            return "dbg.ping", []
        case m.Fault(error):
            return "dbg.error", [error]
        case m.Detail(h, level):
            return "dbg.detail", [h, level]
        case m.Ask(h, what):
            return "dbg.ask", [h, what]
        case m.Ack(count):
            return "dbg.ack", [count]
        case m.View(since, ids):
            return "dbg.view", [since, ids]
        case m.Chunk(number, time):
            return "dump.chunk", [number, time]
        case m.DumpBegin(version, process):
            return "dump.begin", [version, process_map(process)]
        case m.DumpEnd(chunks, machines, entries, dropped):
            return "dump.end", [chunks, machines, entries, dropped]
    raise TypeError(f"{type(message).__name__} is never sent")


def process_map(process: m.Process) -> dict[str, Any]:
    """A process, its keys in the order of the protocol."""
    return {
        "id": process.id,
        "pid": process.pid,
        "host": process.host,
        "argv0": process.argv0,
        "lib": process.lib,
        "time": process.time,
        "via": list(process.via),
    }


def schema_map(schema: m.SchemaDef) -> dict[str, Any]:
    """A schema, its keys in the order that its hash is taken of; what is default is left out."""
    states = {}
    for name, state in zip(schema.names, schema.states, strict=True):
        given: dict[str, Any] = {}
        for key in ("auto", "multi", "require", "add", "remove", "after", "tags", "doc"):
            value = getattr(state, key)
            if value:
                given[key] = list(value) if type(value) is tuple else value
        states[name] = given
    groups = [[name, list(members)] for name, members in schema.groups]
    return {"names": list(schema.names), "states": states, "groups": groups}


def schema_def(schema: am.Schema) -> m.SchemaDef:
    """A compiled schema as it is sent, with its hash."""
    index = schema.index

    def at(names: Iterable[str]) -> tuple[int, ...]:
        return tuple([index[name] for name in names])

    states = tuple(
        [
            m.StateDef(
                state.auto,
                state.multi,
                at(state.require),
                at(state.add),
                at(state.remove),
                at(state.after),
                tuple([str(tag)[: m.MAX_ID] for tag in state.tags]),
                state.doc[:_DOC],
            )
            for state in schema.values()
        ]
    )
    groups = tuple([(str(name)[: m.MAX_ID], at(names)) for name, names in schema.groups.items()])
    found = m.SchemaDef(b"", tuple(schema.names), states, groups)
    return m.SchemaDef(schema_hash(found), found.names, states, groups)


def schema_hash(schema: m.SchemaDef) -> bytes:
    """What names a schema: 16 bytes of SHA-256 over it as it is sent."""
    return hashlib.sha256(pack(schema_map(schema))).digest()[:16]


def _mach_map(mach: m.Mach) -> dict[str, Any]:
    return {
        "id": mach.id,
        "parent": mach.parent,
        "tags": list(mach.tags),
        "hash": mach.hash,
        "handlers": list(mach.handlers),
        "time": list(mach.time),
        "queue_tick": mach.queue_tick,
        "pipes": [[p.direction, p.kind, p.state, p.machine_id] for p in mach.pipes],
        "lib": mach.lib,
        "process": None if mach.process is None else process_map(mach.process),
    }


def tx_list(tx: m.Tx) -> list[Any]:
    """A transition in its fixed order; nothing follows the last field that was recorded."""
    diff: Any = list(tx.diff)
    if tx.clock is not None:
        diff = [list(tx.clock), diff]
    fields: list[Any] = [*tx[:5], diff, *tx[6:16]]
    while len(fields) > 9 and fields[-1] is None:
        fields.pop()
    return fields
