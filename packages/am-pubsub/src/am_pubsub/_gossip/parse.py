"""Bytes of a stranger to a checked message.

Whatever comes in is either a message within all limits or a `Malformed` that names its fault.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgpack  # type: ignore[import-untyped]

from .entries import MOST_TICK, PEER_BYTES, Entry, Info, Rank
from .messages import (
    VERSION,
    Buckets,
    Bye,
    Delta,
    Drop,
    Hello,
    Kind,
    Root,
    Rows,
    Suspect,
    User,
    Want,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from am_pubsub._config import TopicConfig

    from .entries import Key
    from .messages import Message

STATE_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9_]*\Z")
HASH_BYTES: Final = 16
_MOST_EPOCH: Final = 2**63
_ROOT_BYTES: Final = 8
_MOST_INDEX: Final = 2**31
_ADDRS: Final = 16
_INTS: Final = frozenset((int,))


class Malformed(Exception):
    """A message that no honest peer sends; its text is the fault, short and fixed."""


class Unknown(Exception):
    """A message of a version or kind that this one does not know."""


def parse(data: bytes, config: TopicConfig) -> Message:
    """Return the message in these bytes.

    :raises Malformed: if it breaks a limit or a form.
    :raises Unknown: if its version or kind is not known.
    """
    if len(data) > config.message_bytes:
        raise Malformed("too large")
    most = len(data)
    try:
        value = msgpack.unpackb(
            data,
            use_list=False,
            raw=False,
            strict_map_key=True,
            max_str_len=most,
            max_bin_len=most,
            max_array_len=most,
            max_map_len=min(most, config.states),
            max_ext_len=0,
        )
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        # TypeError: a key that has no hash; ValueError: a limit, a bad text, bytes left over.
        raise Malformed("undecodable") from error
    if type(value) is not tuple or len(value) < 2 or not _INTS.issuperset(map(type, value[:2])):
        raise Malformed("no message")
    version, kind, *items = value
    reader = _READERS.get(kind) if version == VERSION else None
    if reader is None:
        raise Unknown(f"version {version}, kind {kind}")
    try:
        return reader(items, config)
    except (TypeError, ValueError, IndexError) as error:
        raise Malformed("another form") from error


# -- parts, each checked

_INFOS: Final[dict[tuple[object, object], Info]] = {}
_MOST_INFOS: Final = 4096

_Items = list[Any]


def _peer(value: object) -> bytes:
    if type(value) is not bytes or len(value) != PEER_BYTES:
        raise Malformed("bad peer id")
    return value


def _number(value: object, most: int, name: str) -> int:
    if type(value) is not int or not 0 <= value < most:
        raise Malformed(f"bad {name}")
    return value


def _text(value: object, most: int, name: str) -> str:
    if type(value) is not str or len(value) > most:
        raise Malformed(f"bad {name}")
    return value


def _bytes(value: object, size: int, name: str) -> bytes:
    if type(value) is not bytes or len(value) != size:
        raise Malformed(f"bad {name}")
    return value


def _tuple(value: object, most: int, name: str) -> tuple[Any, ...]:
    if type(value) is not tuple or len(value) > most:
        raise Malformed(f"bad {name}")
    return value


def _flag(value: object, name: str) -> bool:
    if type(value) is not bool:
        raise Malformed(f"bad {name}")
    return value


def _key(peer: object, index: object) -> Key:
    return _peer(peer), _number(index, _MOST_INDEX, "index")


def _texts(value: object, count: int, size: int, name: str) -> tuple[str, ...]:
    texts = _tuple(value, count, name)
    return tuple(_text(text, size, name) for text in texts)


def _info(value: object, config: TopicConfig) -> Info:
    # The same machine is told by each neighbour, and often: its text is checked once.
    known = _INFOS.get((value, config.limits)) if type(value) is tuple else None
    if known is None:
        known = _checked_info(value, config)
        if len(_INFOS) >= _MOST_INFOS:
            _INFOS.clear()
        _INFOS[value, config.limits] = known
    return known


def _checked_info(value: object, config: TopicConfig) -> Info:
    items = _tuple(value, 5, "info")
    machine, parent, tags, schema = items[:4]
    addrs = _texts(items[4], _ADDRS, config.tag_bytes, "address") if len(items) == 5 else ()
    checked = _texts(tags, config.tags, config.tag_bytes, "tag")
    if any(len(tag.encode()) > config.tag_bytes for tag in checked):
        raise Malformed("bad tag")
    return Info(
        _text(machine, config.name_length, "id"),
        _text(parent, config.name_length, "parent"),
        checked,
        _bytes(schema, HASH_BYTES, "schema hash"),
        addrs,
    )


def _entry(value: object, config: TopicConfig) -> Entry:
    """Read one entry. The busiest place of the parser, hence written out."""
    if type(value) is not tuple or not 4 <= len(value) <= 5:
        raise Malformed("bad entry")
    peer, index, epoch, vector = value[:4]
    if type(peer) is not bytes or len(peer) != PEER_BYTES:
        raise Malformed("bad peer id")
    if type(index) is not int or not 0 <= index < _MOST_INDEX:
        raise Malformed("bad index")
    if type(epoch) is not int or not 0 <= epoch < _MOST_EPOCH:
        raise Malformed("bad epoch")
    if type(vector) is not tuple or len(vector) > config.states:
        raise Malformed("bad vector")
    total = 0
    if vector:
        if not _INTS.issuperset(map(type, vector)):
            raise Malformed("bad tick")
        # The sum is bounded too: it travels in digests.
        total = sum(vector)
        if min(vector) < 0 or total >= MOST_TICK:
            raise Malformed("bad tick")
    info = _info(value[4], config) if len(value) == 5 else None
    return Entry((peer, index), epoch, vector, total, info)


def check_schema(value: object, config: TopicConfig) -> Mapping[str, Mapping[str, object]]:
    """Return a schema as it travels, its names checked; what they mean is checked elsewhere.

    :raises Malformed: if a name or a limit is broken.
    """
    if type(value) is not dict or not 0 < len(value) <= config.states:
        raise Malformed("bad schema")
    for name, body in value.items():
        if len(name) > config.name_length or not STATE_NAME.match(name):
            raise Malformed("bad state name")
        if type(body) is not dict:
            raise Malformed("bad schema")
    # As it was before it travelled: relations are lists.
    return {
        name: {key: [*one] if type(one) is tuple else one for key, one in body.items()}
        for name, body in value.items()
    }


# -- messages


def _hello(items: _Items, config: TopicConfig) -> Hello:
    topic, peer, links, root = items
    return Hello(
        _text(topic, config.name_length, "topic"),
        _peer(peer),
        _number(links, 2**16, "links"),
        _bytes(root, _ROOT_BYTES, "root"),
    )


def _delta(items: _Items, config: TopicConfig) -> Delta:
    entries, schemas, last = items
    return Delta(
        tuple(_entry(entry, config) for entry in _tuple(entries, config.records, "entries")),
        tuple(_schema(pair) for pair in _tuple(schemas, config.records, "schemas")),
        _flag(last, "flag"),
    )


def _schema(pair: object) -> tuple[bytes, object]:
    digest, wire = _tuple(pair, 2, "schema")
    return _bytes(digest, HASH_BYTES, "schema hash"), wire


def _root(items: _Items, config: TopicConfig) -> Root:
    root, ask, links = items
    return Root(
        _bytes(root, _ROOT_BYTES, "root"), _flag(ask, "flag"), _number(links, 2**16, "links")
    )


def _buckets(items: _Items, config: TopicConfig) -> Buckets:
    (buckets,) = items
    return Buckets(_bytes(buckets, _ROOT_BYTES * config.buckets, "buckets"))


def _rows(items: _Items, config: TopicConfig) -> Rows:
    buckets, rows, last = items
    numbers = _tuple(buckets, config.buckets, "buckets")
    return Rows(
        tuple(_number(at, config.buckets, "bucket") for at in numbers),
        tuple(_row(row, config) for row in _tuple(rows, config.records, "rows")),
        _flag(last, "flag"),
    )


def _row(row: object, config: TopicConfig) -> tuple[Key, Rank]:
    peer, index, epoch, gone, states, total = _tuple(row, 6, "row")
    rank = Rank(
        _number(epoch, _MOST_EPOCH, "epoch"),
        _flag(gone, "flag"),
        _number(states, config.states + 1, "states"),
        _number(total, MOST_TICK, "sum"),
    )
    return _key(peer, index), rank


def _want(items: _Items, config: TopicConfig) -> Want:
    (keys,) = items
    pairs = (_tuple(pair, 2, "key") for pair in _tuple(keys, config.records, "keys"))
    return Want(tuple(_key(peer, index) for peer, index in pairs))


def _suspect(items: _Items, config: TopicConfig) -> Suspect:
    peer, epoch = items
    return Suspect(_peer(peer), _number(epoch, _MOST_EPOCH, "epoch"))


def _bye(items: _Items, config: TopicConfig) -> Bye:
    peer, epoch = items
    return Bye(_peer(peer), _number(epoch, _MOST_EPOCH, "epoch"))


def _drop(items: _Items, config: TopicConfig) -> Drop:
    reason, addrs = items
    return Drop(
        _text(reason, config.name_length, "reason"),
        _texts(addrs, _ADDRS, config.tag_bytes, "address"),
    )


def _user(items: _Items, config: TopicConfig) -> User:
    peer, epoch, number, data = items
    if type(data) is not bytes:
        raise Malformed("bad payload")
    return User(
        _peer(peer),
        _number(epoch, _MOST_EPOCH, "epoch"),
        _number(number, MOST_TICK, "number"),
        data,
    )


_READERS: Final[Mapping[int, Callable[[_Items, TopicConfig], Message]]] = {
    Kind.HELLO: _hello,
    Kind.DELTA: _delta,
    Kind.ROOT: _root,
    Kind.BUCKETS: _buckets,
    Kind.ROWS: _rows,
    Kind.WANT: _want,
    Kind.SUSPECT: _suspect,
    Kind.BYE: _bye,
    Kind.DROP: _drop,
    Kind.USER: _user,
}
