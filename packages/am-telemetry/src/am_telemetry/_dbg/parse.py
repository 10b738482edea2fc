"""Untrusted values to messages: every type and bound is checked, nothing else is let through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._errors import DecodeError
from . import messages as m
from .transitions import transition
from .values import (
    MAX_NUMBER,
    check_depth,
    indexes,
    items,
    octets,
    part,
    refuse,
    text,
    texts,
    ticks,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Entries looked at in one step: a millisecond, or less.
_AT_ONCE = 64


def steps(value: Any) -> Iterator[m.Message | None]:
    """The message that a value is; before it a None after each step but the last, if it takes
    several.

    :raises DecodeError: if it is none.
    """
    if type(value) is not list or not value:
        raise DecodeError("a message is a list")
    try:
        kind = value[0]
        if kind == 2 and type(kind) is int:
            method, params = _params(value)
            if method == "dbg.txs":
                yield from _txs(params)
            else:
                reader = _READERS.get(method)
                yield m.Unknown(method) if reader is None else reader(params)
            return
        if kind == 0 and type(kind) is int:
            yield _request(value)
            return
        if kind == 1 and type(kind) is int:
            yield _reply(value)
            return
    except IndexError:
        raise DecodeError("a message has too few parts") from None
    raise DecodeError("a message begins with 0, 1 or 2")


def _params(value: list[Any]) -> tuple[str, list[Any]]:
    """Method and parameters of a notification."""
    method, params = text(value[1], "method"), value[2]
    if type(params) is not list:
        raise DecodeError(f"params of {method[:40]} are no list")
    if method != "dbg.txs":
        check_depth(value)
    elif len(value) > 3 or len(params) > 1:
        # Of these every field is looked at, so only what follows them may be deep.
        check_depth(value[3:])
        check_depth(params[1:], 1)
    return method, params


def _request(value: list[Any]) -> m.Message:
    check_depth(value)
    number, method, params = value[1], text(value[2], "method"), value[3]
    if type(params) is not list:
        refuse("params", params)
    if number == 1 and method == "dbg.hello":
        return m.Hello(whole(params[0], "version"), _process(params[1]), texts(params[2], "caps"))
    if number == 2 and method == "dbg.auth":
        return m.Auth(octets(params[0], 32, "nonce"), octets(params[1], 32, "mac"))
    raise DecodeError(f"there is no such request: {method[:40]}")


def _reply(value: list[Any]) -> m.Message:
    check_depth(value)
    number, error, result = value[1], value[2], value[3]
    if number not in (1, 2) or type(number) is not int:
        raise DecodeError("an answer to nothing")
    if error is not None:
        return m.Refusal(number, text(error, "error"))
    if number == 2:
        if type(result) is not list:
            refuse("proof", result)
        return m.Proof(octets(result[1], 32, "mac"), texts(result[0], "caps"))
    if type(result) is dict:
        return m.Challenge(octets(result.get("auth"), 32, "nonce"))
    return m.Welcome(texts(result, "caps"))


def _process(value: Any) -> m.Process:
    """A process as a map; keys that this version does not know are passed over."""
    if type(value) is not dict:
        refuse("process", value)
    get = value.get
    via = texts(get("via", []), "via")
    if len(via) > m.MAX_VIA:
        refuse("via", value)
    return m.Process(
        text(get("id"), "process id")[: m.MAX_ID],
        whole(get("pid"), "pid"),
        text(get("host"), "host"),
        text(get("argv0"), "argv0"),
        text(get("lib"), "lib"),
        whole(get("time"), "time"),
        via,
    )


def _schema(params: list[Any]) -> m.SchemaDef:
    given = params[1]
    if type(given) is not dict:
        refuse("schema", given)
    names = texts(given.get("names"), "names")
    states = given.get("states")
    if type(states) is not dict or not len(names) == len(states) <= m.MAX_STATES:
        refuse("states", states)
    defs = []
    for name in names:
        if name not in states:
            refuse("states", states)
        defs.append(_state(states[name], len(names)))
    groups = []
    for group in items(given.get("groups", []), "groups"):
        if type(group) is not list:
            refuse("group", group)
        groups.append((text(group[0], "group"), _related(group[1], len(names))))
    return m.SchemaDef(octets(params[0], 16, "hash"), names, tuple(defs), tuple(groups))


def _state(value: Any, count: int) -> m.StateDef:
    if type(value) is not dict:
        refuse("state", value)
    get = value.get
    flags = [get(key, False) for key in ("auto", "multi")]
    if not all([type(flag) is bool for flag in flags]):
        refuse("state", value)
    require, add, remove, after = [
        _related(get(key, []), count) for key in ("require", "add", "remove", "after")
    ]
    tags, doc = texts(get("tags", []), "tags"), text(get("doc", ""), "doc")
    return m.StateDef(flags[0], flags[1], require, add, remove, after, tags, doc)


def _related(value: Any, count: int) -> tuple[int, ...]:
    found = indexes(value, "relation")
    if found and max(found) >= count:
        refuse("relation", value)
    return found


def _mach(params: list[Any]) -> m.Mach:
    given = params[1]
    if type(given) is not dict:
        refuse("machine", given)
    get = given.get
    parent, source = get("parent"), get("process")
    return m.Mach(
        whole(params[0], "handle"),
        text(get("id"), "id"),
        None if parent is None else text(parent, "parent"),
        texts(get("tags", []), "tags"),
        octets(get("hash"), 16, "hash"),
        texts(get("handlers", []), "handlers"),
        ticks(get("time"), "time"),
        whole(get("queue_tick"), "queue tick"),
        tuple([_pipe(one) for one in items(get("pipes", []), "pipes")]),
        text(get("lib", ""), "lib"),
        None if source is None else _process(source),
    )


def _pipe(value: Any) -> m.PipeDef:
    if type(value) is not list:
        refuse("pipe", value)
    pipe = m.PipeDef(*[text(one, "pipe") for one in (value[0], value[1], value[2], value[3])])
    if pipe.direction not in ("in", "out"):
        refuse("pipe", value)
    return pipe


def _txs(params: list[Any]) -> Iterator[m.Txs | None]:
    entries = items(params[0], "entries")
    found: list[tuple[int, m.Tx]] = []
    for start in range(0, len(entries), _AT_ONCE):
        if start:
            yield None
        for entry in entries[start : start + _AT_ONCE]:
            if type(entry) is not list or len(entry) != 2:
                part(entry, 2, "entry", 3)
            h = entry[0]
            if type(h) is not int or not 0 <= h <= MAX_NUMBER:
                refuse("handle", h)
            found.append((h, transition(entry[1])))
    yield m.Txs(tuple(found))


def _log(params: list[Any]) -> m.Log:
    at, level = whole(params[1], "time"), whole(params[2], "level", 255)
    return m.Log(whole(params[0], "handle"), at, level, text(params[3], "log"))


def _pending(params: list[Any]) -> m.PendingMsg:
    found = []
    for one in items(params[1], "pending"):
        if type(one) is not list:
            refuse("pending", one)
        age = None if one[3] is None else whole(one[3], "age")
        states = texts(one[2], "states")
        found.append(m.PendingDef(text(one[0], "kind"), text(one[1], "label"), states, age))
    return m.PendingMsg(whole(params[0], "handle"), tuple(found))


def _gone(params: list[Any]) -> m.Gone:
    return m.Gone(whole(params[0], "handle"), whole(params[1], "time"))


def _left(params: list[Any]) -> m.Left:
    return m.Left(whole(params[0], "handle"))


def _drop(params: list[Any]) -> m.Drop:
    count, at = whole(params[1], "count"), whole(params[2], "time")
    return m.Drop(whole(params[0], "handle"), count, at)


def _ping(params: list[Any]) -> m.Ping:
    return m.Ping()


def _fault(params: list[Any]) -> m.Fault:
    return m.Fault(text(params[0], "error"))


def _detail(params: list[Any]) -> m.Detail:
    return m.Detail(whole(params[0], "handle"), whole(params[1], "detail", 2))


def _ask(params: list[Any]) -> m.Ask:
    return m.Ask(whole(params[0], "handle"), text(params[1], "ask"))


def _ack(params: list[Any]) -> m.Ack:
    return m.Ack(whole(params[0], "count"))


def _view(params: list[Any]) -> m.View:
    since, ids = params[0], params[1]
    return m.View(
        None if since is None else whole(since, "since"),
        None if ids is None else texts(ids, "ids"),
    )


def _chunk(params: list[Any]) -> m.Chunk:
    return m.Chunk(whole(params[0], "chunk"), whole(params[1], "time"))


def _dump_begin(params: list[Any]) -> m.DumpBegin:
    return m.DumpBegin(whole(params[0], "version"), _process(params[1]))


def _dump_end(params: list[Any]) -> m.DumpEnd:
    chunks = []
    for one in items(params[0], "chunks"):
        if type(one) is not list:
            refuse("chunk", one)
        offset, at, count = [whole(part, "chunk") for part in (one[0], one[1], one[2])]
        chunks.append((offset, at, count))
    totals = [whole(part, "total") for part in (params[1], params[2], params[3])]
    return m.DumpEnd(tuple(chunks), *totals)


_READERS: dict[str, Callable[[list[Any]], m.Message]] = {
    "dbg.schema": _schema,
    "dbg.mach": _mach,
    "dbg.log": _log,
    "dbg.pending": _pending,
    "dbg.gone": _gone,
    "dbg.left": _left,
    "dbg.drop": _drop,
    "dbg.ping": _ping,
    "dbg.error": _fault,
    "dbg.detail": _detail,
    "dbg.ask": _ask,
    "dbg.ack": _ack,
    "dbg.view": _view,
    "dump.chunk": _chunk,
    "dump.begin": _dump_begin,
    "dump.end": _dump_end,
}
