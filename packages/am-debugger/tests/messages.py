"""Messages in short, as tests write them."""

from __future__ import annotations

from typing import Any

from am_telemetry import dbg


def process(id: str = "p1", **more: Any) -> dbg.Process:
    """A process."""
    told: dict[str, Any] = {"pid": 7, "host": "here", "argv0": "prog", "lib": "0.2.0", "time": 1}
    return dbg.Process(id, **{**told, **more})


def schema(names: tuple[str, ...], *, groups: Any = (), **states: dict[str, Any]) -> dbg.SchemaDef:
    """A schema, its relations by index; what is not told of a state is as usual."""
    defs = tuple([dbg.StateDef(**states.get(name, {})) for name in names])
    found = dbg.SchemaDef(b"", tuple(names), defs, groups)
    return dbg.SchemaDef(dbg.schema_hash(found), found.names, defs, groups)


def mach(h: int, id: str, of: dbg.SchemaDef, **more: Any) -> dbg.Mach:
    """A machine whose clock stands at 0."""
    told: dict[str, Any] = {
        "parent": None,
        "tags": (),
        "handlers": (),
        "time": (0,) * len(of.names),
        "queue_tick": 1,
    }
    return dbg.Mach(h, id, hash=of.hash, **{**told, **more})


def tx(id: bytes = b"12345678", time: int = 1, **more: Any) -> dbg.Tx:
    """A transition that called the first state and was accepted."""
    told: dict[str, Any] = {
        "kind": 0, "flags": 1, "called": (0,), "diff": (0, 1), "queue_tick": 1
    }  # fmt: skip
    return dbg.Tx(id, time, **{**told, **more})
