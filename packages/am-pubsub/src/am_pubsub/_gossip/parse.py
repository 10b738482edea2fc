"""Bytes of a stranger to a checked message.

Whatever comes in is either a message within all limits or a `Malformed` that names its fault.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgpack  # type: ignore[import-untyped]

from .entries import KEY_BYTES, MOST_TICK, PEER_BYTES, SIGNATURE_BYTES, Entry, Info, Rank
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

_T = TypeVar("_T")
STATE_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9_]*\Z")
HASH_BYTES: Final = 16
_MOST_EPOCH: Final = 2**63
_ROOT_BYTES: Final = 8
_MOST_INDEX: Final = 2**31
_ADDRS: Final = 16
_INTS: Final = frozenset((int,))
_REMEMBERED: Final = 8192
"""Entries, rows and descriptions that are remembered by value; beyond that all are forgotten."""


class Malformed(Exception):
    """A message that no honest peer sends; its text is the fault, short and fixed."""


class Unknown(Exception):
    """A message of a version or kind that this one does not know."""


class Parser:
    """Reads messages by the limits of a configuration; `of` returns the one for all its peers.

    The same entry comes from each neighbour, and the same row in each exchange of digests: what
    was checked is remembered, and found again by its value.
    """

    def __init__(self, config: TopicConfig) -> None:
        self.config = config
        self._most = config.message_bytes
        self._entries: dict[object, Entry] = {}
        self._rows: dict[object, tuple[Key, Rank]] = {}
        self._infos: dict[object, Info] = {}

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, config: TopicConfig) -> Parser:
        """Return the parser of a configuration, made once."""
        return cls(config)

    def forget(self) -> None:
        """Forget all that was checked."""
        self._entries.clear()
        self._rows.clear()
        self._infos.clear()

    def parse(self, data: bytes) -> Message:
        """Return the message in these bytes.

        :raises Malformed: if it breaks a limit or a form.
        :raises Unknown: if its version or kind is not known.
        """
        most = len(data)
        if most > self._most:
            raise Malformed("too large")
        try:
            value = msgpack.unpackb(
                data,
                use_list=False,
                raw=False,
                strict_map_key=True,
                max_str_len=most,
                max_bin_len=most,
                max_array_len=most,
                max_map_len=min(most, self.config.states),
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
            return reader(items, self)
        except (TypeError, ValueError, IndexError) as error:
            raise Malformed("another form") from error

    def entries(self, values: tuple[object, ...]) -> list[Entry]:
        """Return checked entries."""
        return _remembered(self._entries, values, lambda value: _entry(value, self))

    def rows(self, values: tuple[object, ...]) -> list[tuple[Key, Rank]]:
        """Return checked rows of a digest."""
        return _remembered(self._rows, values, lambda value: _row(value, self.config))

    def info(self, value: object) -> Info:
        """Return what a machine is, checked."""
        known = self._infos.get(value) if type(value) is tuple else None
        if known is None:
            known = _checked_info(value, self.config)
            if len(self._infos) >= _REMEMBERED:
                self._infos.clear()
            self._infos[value] = known
        return known


def _remembered(
    known: dict[object, _T], values: tuple[object, ...], check: Callable[[object], _T]
) -> list[_T]:
    """Return what stands for each value, checked if it was not met before."""
    found = [*map(known.get, values)]
    if None not in found:
        return cast("list[_T]", found)
    for at, one in enumerate(found):
        if one is None:
            value = values[at]
            one = known.get(value)  # it may stand in one message twice
            if one is None:
                if len(known) >= _REMEMBERED:
                    known.clear()
                one = known[value] = check(value)
            found[at] = one
    return cast("list[_T]", found)


# -- parts, each checked

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


def _checked_info(value: object, config: TopicConfig) -> Info:
    items = _tuple(value, 6, "info")
    machine, parent, tags, schema = items[:4]
    addrs = _texts(items[4], _ADDRS, config.tag_bytes, "address") if len(items) >= 5 else ()
    key = _bytes(items[5], KEY_BYTES, "key") if len(items) == 6 else b""
    checked = _texts(tags, config.tags, config.tag_bytes, "tag")
    if any(len(tag.encode()) > config.tag_bytes for tag in checked):
        raise Malformed("bad tag")
    return Info(
        _text(machine, config.name_length, "id"),
        _text(parent, config.name_length, "parent"),
        checked,
        _bytes(schema, HASH_BYTES, "schema hash"),
        addrs,
        key,
    )


def _entry(value: object, parser: Parser) -> Entry:
    """Read one entry. The busiest place of the parser, hence written out."""
    if type(value) is not tuple or not 4 <= len(value) <= 6:
        raise Malformed("bad entry")
    peer, index, epoch, vector = value[:4]
    if type(peer) is not bytes or len(peer) != PEER_BYTES:
        raise Malformed("bad peer id")
    if type(index) is not int or not 0 <= index < _MOST_INDEX:
        raise Malformed("bad index")
    if type(epoch) is not int or not 0 <= epoch < _MOST_EPOCH:
        raise Malformed("bad epoch")
    if type(vector) is not tuple or len(vector) > parser.config.states:
        raise Malformed("bad vector")
    total = 0
    if vector:
        if not _INTS.issuperset(map(type, vector)):
            raise Malformed("bad tick")
        # The sum is bounded too: it travels in digests.
        total = sum(vector)
        if min(vector) < 0 or total >= MOST_TICK:
            raise Malformed("bad tick")
    if len(value) == 6:
        info, signature = _signed(value[4], value[5], parser)
        return Entry((peer, index), epoch, vector, total, info, signature)
    info = parser.info(value[4]) if len(value) == 5 else None
    return Entry((peer, index), epoch, vector, total, info)


def _signed(what: object, signature: object, parser: Parser) -> tuple[Info | None, bytes]:
    """Return what a machine is, with its signature, and that of where it stands."""
    if what is None:
        return None, _bytes(signature, SIGNATURE_BYTES, "signature")
    both = _bytes(signature, 2 * SIGNATURE_BYTES, "signature")
    info = replace(parser.info(what), signature=both[SIGNATURE_BYTES:])
    return info, both[:SIGNATURE_BYTES]


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


def _hello(items: _Items, parser: Parser) -> Hello:
    topic, peer, links, root = items
    return Hello(
        _text(topic, parser.config.name_length, "topic"),
        _peer(peer),
        _number(links, 2**16, "links"),
        _bytes(root, _ROOT_BYTES, "root"),
    )


def _delta(items: _Items, parser: Parser) -> Delta:
    entries, schemas, last = items
    return Delta(
        parser.entries(_tuple(entries, parser.config.records, "entries")),
        tuple(_schema(pair) for pair in _tuple(schemas, parser.config.records, "schemas")),
        _flag(last, "flag"),
    )


def _schema(pair: object) -> tuple[bytes, object]:
    digest, wire = _tuple(pair, 2, "schema")
    return _bytes(digest, HASH_BYTES, "schema hash"), wire


def _root(items: _Items, parser: Parser) -> Root:
    root, ask, links = items
    return Root(
        _bytes(root, _ROOT_BYTES, "root"), _flag(ask, "flag"), _number(links, 2**16, "links")
    )


def _buckets(items: _Items, parser: Parser) -> Buckets:
    (buckets,) = items
    return Buckets(_bytes(buckets, _ROOT_BYTES * parser.config.buckets, "buckets"))


def _rows(items: _Items, parser: Parser) -> Rows:
    buckets, rows, last = items
    numbers = _tuple(buckets, parser.config.buckets, "buckets")
    return Rows(
        tuple(_number(at, parser.config.buckets, "bucket") for at in numbers),
        parser.rows(_tuple(rows, parser.config.records, "rows")),
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


def _want(items: _Items, parser: Parser) -> Want:
    (keys,) = items
    pairs = (_tuple(pair, 2, "key") for pair in _tuple(keys, parser.config.records, "keys"))
    return Want(tuple(_key(peer, index) for peer, index in pairs))


def _suspect(items: _Items, parser: Parser) -> Suspect:
    peer, epoch = items
    return Suspect(_peer(peer), _number(epoch, _MOST_EPOCH, "epoch"))


def _bye(items: _Items, parser: Parser) -> Bye:
    peer, epoch, *rest = items
    return Bye(_peer(peer), _number(epoch, _MOST_EPOCH, "epoch"), _signature(rest))


def _drop(items: _Items, parser: Parser) -> Drop:
    reason, addrs = items
    return Drop(
        _text(reason, parser.config.name_length, "reason"),
        _texts(addrs, _ADDRS, parser.config.tag_bytes, "address"),
    )


def _user(items: _Items, parser: Parser) -> User:
    peer, epoch, number, data, *rest = items
    if type(data) is not bytes:
        raise Malformed("bad payload")
    return User(
        _peer(peer),
        _number(epoch, _MOST_EPOCH, "epoch"),
        _number(number, MOST_TICK, "number"),
        data,
        _signature(rest),
    )


def _signature(rest: _Items) -> bytes:
    if not rest:
        return b""
    (signature,) = rest
    return _bytes(signature, SIGNATURE_BYTES, "signature")


_READERS: Final[Mapping[int, Callable[[_Items, Parser], Message]]] = {
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
