"""How a transition came out as it did: worked out from what was sent, by the schema that held."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import am_machine as am

    from .._store.client import Client
    from .._store.store import Store
    from .._store.tx import Tx
    from .._store.versions import SchemaVersion

_MOST_KEPT = 4096
_KEPT_BYTES = 1500
# Programs go through the same changes again and again.
_MOST_EXPLAINED = 1024
_EXPLAINED_BYTES = 6000

# Resolutions by all that they depend on, with the schema: its identity is part of the key.
_Known = dict[tuple[object, ...], tuple["SchemaVersion", "am.Explanation"]]


class Parsed(NamedTuple):
    """A transition with what follows from it. States are indexes, in index order."""

    tx: Tx
    explanation: am.Explanation
    added: tuple[int, ...]
    """Active after it, and not before."""
    removed: tuple[int, ...]
    touched: tuple[int, ...]
    """Named by any step, or changed."""
    steps: tuple[am.Step, ...]
    """Empty if it was only queued."""


class Parser:
    """Works transitions out and keeps the last ones, of all machines."""

    def __init__(self, store: Store, limit: int = _MOST_KEPT) -> None:
        self._store = store
        self._limit = limit
        self._kept: OrderedDict[tuple[int, bytes], Parsed] = OrderedDict()
        self._explained: _Known = {}

    def parse(self, client: Client, number: int) -> Parsed:
        """A transition with what follows from it.

        :raises IndexError: if it is not kept.
        """
        tx = self._store.tx(client, number)
        key = (client.serial, tx.id)
        found = self._kept.get(key)
        if found is not None and found.tx is tx:
            self._kept.move_to_end(key)
            return found
        found = self._kept[key] = parse(client, tx, self._explained)
        if len(self._explained) > _MOST_EXPLAINED:
            self._explained.clear()
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return found

    def clear(self) -> None:
        """Keep nothing: memory is short."""
        self._kept.clear()
        self._explained.clear()

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly."""
        return _KEPT_BYTES * len(self._kept) + _EXPLAINED_BYTES * len(self._explained)


def parse(client: Client, tx: Tx, known: _Known | None = None) -> Parsed:
    """Work a transition out; `known` are resolutions of others, to be taken and added to."""
    before = client.clock_before(tx.number)
    explanation = explain(client, tx, before, known)
    changed = dict(tx.changes)
    added = tuple([i for i in sorted(changed) if changed[i] % 2 and not before[i] % 2])
    removed = tuple([i for i in sorted(changed) if changed[i] % 2 and before[i] % 2])
    steps = () if tx.is_queued else explanation.steps
    touched = {*changed, *tx.called}
    for step in steps:
        touched.update([i for i in (step.from_state, step.to_state) if i is not None])
    return Parsed(tx, explanation, added, removed, tuple(sorted(touched)), steps)


def explain(
    client: Client,
    tx: Tx,
    before: Sequence[int],
    known: _Known | None = None,
) -> am.Explanation:
    """The resolution of a transition with its reasons; `before` is the clock before it."""
    version = client.version_at(tx.number)
    vetoed, failed = tx.failed, None
    if tx.has_error and vetoed:
        # The one that raised comes last; it is empty where it is not known.
        vetoed, failed = vetoed[:-1], vetoed[-1] or None
    active = tuple([i for i, tick in enumerate(before) if tick % 2])
    key = (
        id(version.schema), version.handlers, tx.kind, tx.is_auto, tx.is_check, tx.called, active,
        vetoed, failed,
    )  # fmt: skip
    if known is not None and key in known:
        return known[key][1]
    names = version.names
    found = version.schema.schema.explain(
        tx.kind,
        [names[i] for i in tx.called],
        [names[i] for i in active],
        handlers=version.handlers,
        vetoed=vetoed,
        failed=failed,
        is_auto=tx.is_auto,
        is_check=tx.is_check,
    )
    if known is not None:
        known[key] = (version.schema, found)
    return found
