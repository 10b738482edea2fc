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

_MOST_KEPT = 4096
_KEPT_BYTES = 6000


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
        found = self._kept[key] = parse(client, tx)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return found

    def clear(self) -> None:
        """Keep nothing: memory is short."""
        self._kept.clear()

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly."""
        return _KEPT_BYTES * len(self._kept)


def parse(client: Client, tx: Tx) -> Parsed:
    """Work a transition out."""
    before = client.clock_before(tx.number)
    explanation = explain(client, tx, before)
    changed = dict(tx.changes)
    added = tuple([i for i in sorted(changed) if changed[i] % 2 and not before[i] % 2])
    removed = tuple([i for i in sorted(changed) if changed[i] % 2 and before[i] % 2])
    steps = () if tx.is_queued else explanation.steps
    touched = {*changed, *tx.called}
    for step in steps:
        touched.update([i for i in (step.from_state, step.to_state) if i is not None])
    return Parsed(tx, explanation, added, removed, tuple(sorted(touched)), steps)


def explain(client: Client, tx: Tx, before: Sequence[int]) -> am.Explanation:
    """The resolution of a transition with its reasons; `before` is the clock before it."""
    version = client.version_at(tx.number)
    names = version.names
    vetoed, failed = tx.failed, None
    if tx.has_error and vetoed:
        # The one that raised comes last; it is empty where it is not known.
        vetoed, failed = vetoed[:-1], vetoed[-1] or None
    return version.schema.schema.explain(
        tx.kind,
        [names[i] for i in tx.called],
        [names[i] for i, tick in enumerate(before) if tick % 2],
        handlers=version.handlers,
        vetoed=vetoed,
        failed=failed,
        is_auto=tx.is_auto,
        is_check=tx.is_check,
    )
