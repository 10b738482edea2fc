"""The clock of a replica: updates and full values from its source, checked and applied.

It knows nothing of how they come here; mutations and calls to the source are the storey above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import am_machine as am

from .._errors import RpcError
from .._wire.checksum import MASK, full_sum, moved_sum
from .._wire.server_messages import KIND_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .._options import Sync
    from .._wire.handshake_messages import Vector
    from .._wire.server_messages import Record, Update


class Replica(am.BaseMachine):
    """A machine that follows the clock of another one.

    `has_schema` tells whether it has the relations of its source, and its indexes.
    """

    is_local = False
    _votes = False

    def __init__(
        self,
        schema: am.Schema,
        sync: Sync,
        untracked: Iterable[int] = (),
        *,
        id: str,
        parent: Any,
        tags: Iterable[str],
    ) -> None:
        self.has_schema = sync.schema
        self._sync = sync
        self._untracked = tuple(untracked)
        self._wire_states = 0
        self._sum = 0
        super().__init__(schema, id=id, parent=parent, tags=tags)

    # Updates.

    def apply(
        self, update: Update, kind: str = "set", called: tuple[int, ...] | None = None
    ) -> bool:
        """Apply one update as one transition; False, and nothing applied, if it does not fit.

        `kind` and `called` (state indexes) are those of the mutation behind it, if they are known.
        """
        if self._sync.shallow:
            return self._apply_flips(update)
        pairs, dq, dm, total = update
        indexes = pairs[::2]
        if pairs and (len(pairs) & 1 or max(indexes) >= self._wire_states):
            return False
        moved = moved_sum(self._sum, pairs, dq, dm)
        if moved != total:
            return False
        self._sum = moved
        increments = list(zip(indexes, pairs[1::2], strict=True))
        if self._untracked:
            self._advance(increments, update, kind, called)
        else:
            self.advance(
                increments,
                kind=kind,
                called=called,
                queue_tick=self.queue_tick + dq,
                machine_tick=self.machine_tick + dm,
            )
        return True

    def apply_records(self, records: Iterable[Record]) -> bool:
        """Apply mutations one by one; False at the first that does not fit."""
        return all(
            self.apply(record.update, KIND_NAMES[record.kind], record.called) for record in records
        )

    def _apply_flips(self, update: Update) -> bool:
        flips = update.pairs
        if flips and max(flips) >= self._wire_states:
            return False
        ticks = self.time()
        moved = self._sum + update.dq + update.dm
        for index in flips:
            moved += (2 * index + 1) * (-1 if ticks[index] & 1 else 1)
        if moved & MASK != update.sum:
            return False
        self._sum = moved & MASK
        self._advance([(index, 1) for index in flips], update, "set", None)
        return True

    def _advance(
        self,
        increments: list[tuple[int, int]],
        update: Update,
        kind: str,
        called: tuple[int, ...] | None,
    ) -> None:
        queue_tick = self.queue_tick + update.dq
        machine_tick = self.machine_tick + update.dm
        if self._untracked and increments:
            ticks = list(self.time())
            for index, growth in increments:
                ticks[index] += growth
            inferred = self._infer(ticks)
            if any(inferred[i] < ticks[i] for i in self._untracked):
                self.reset_clock(inferred, queue_tick=queue_tick, machine_tick=machine_tick)
                return
            increments += [(i, 1) for i in self._untracked if inferred[i] > ticks[i]]
        self.advance(
            increments, kind=kind, called=called, queue_tick=queue_tick, machine_tick=machine_tick
        )

    def _infer(self, ticks: list[int]) -> list[int]:
        """Return ticks in which untracked states are 1 if an active tracked state requires them."""
        schema = self.schema
        inferred = list(ticks)
        for index in self._untracked:
            inferred[index] = 0
        found = [index for index, tick in enumerate(inferred) if tick & 1]
        for index in found:
            for name in schema[schema.names[index]].require:
                required = schema.index[name]
                if not inferred[required] & 1 and required in self._untracked:
                    inferred[required] = 1
                    found.append(required)
        return inferred

    def adopt(self, vector: Vector, *, replaced: bool = False) -> None:
        """Take full values as they are; `replaced` if they are another source's."""
        ticks = list(vector.ticks)
        self._wire_states = len(ticks)
        self._sum = full_sum(ticks, vector.queue_tick, vector.machine_tick)
        ticks += [0] * (len(self.schema) - len(ticks))
        if self._sync.shallow:
            ticks = self._shallow_ticks(ticks)
        if self._untracked:
            ticks = self._infer(ticks)
        self.reset_clock(
            ticks,
            queue_tick=vector.queue_tick,
            machine_tick=vector.machine_tick,
            replaced=replaced,
        )

    def _shallow_ticks(self, flags: list[int]) -> list[int]:
        # Local ticks count flips; they never go back.
        return [tick + ((tick ^ flag) & 1) for tick, flag in zip(self.time(), flags, strict=True)]

    @property
    def wire_states(self) -> int:
        """How many states the server tells of; a replica without schema may have one more."""
        return self._wire_states

    @property
    def tracked(self) -> frozenset[str] | None:
        """States that are followed, None if all are."""
        if not self._untracked:
            return None
        hidden = set(self._untracked)
        return frozenset(n for i, n in enumerate(self.schema.names) if i not in hidden)

    def went_back(self, vector: Vector) -> bool:
        """Tell whether a tick is smaller than here, so that the source must be another one."""
        if self._sync.shallow:
            return False
        mine = self.time()
        tracked = (i for i in range(min(len(mine), len(vector.ticks))) if i not in self._untracked)
        return any(vector.ticks[i] < mine[i] for i in tracked)

    def reshape(self, schema: am.Schema, untracked: Iterable[int]) -> None:
        """Take the schema of a source that may have more states than before.

        Raises:
            RpcError: states went or moved; this replica cannot follow.
        """
        known = self.schema.names
        if schema.names[: len(known)] != known:
            raise RpcError("the source has other states than before")
        self._untracked = tuple(untracked)
        if len(schema.names) > len(known):
            super().set_schema(schema, schema.names)

    def set_schema(self, schema: Any, names: Iterable[str]) -> None:
        """Refused: the schema is that of the source, and grows with it."""
        raise RuntimeError(f"the schema of {self.id} is its source's")

    # Waits, which end at once where nothing will come any more.

    @property
    def is_cut_off(self) -> bool:
        """Tell whether no update will come any more, unless somebody starts the client again."""
        return False

    def _wait(self, wait: am.Wait) -> am.Wait:
        if not wait.done and self.is_cut_off:
            wait.resolve(False)
        return wait

    def when(self, *states: str) -> am.Wait:
        """Wait until all states are active; see `am.MachineApi`."""
        return self._wait(super().when(*states))

    def when_not(self, *states: str) -> am.Wait:
        """Wait until no state is active; see `am.MachineApi`."""
        return self._wait(super().when_not(*states))

    def when_any(self, *states: str) -> am.Wait:
        """Wait until any state is active; see `am.MachineApi`."""
        return self._wait(super().when_any(*states))

    def when_err(self) -> am.Wait:
        """Wait until there is an error; see `am.MachineApi`."""
        return self._wait(super().when_err())

    def when_next_active(self, state: str) -> am.Wait:
        """Wait until a state becomes active again; see `am.MachineApi`."""
        return self._wait(super().when_next_active(state))

    def when_query(self, fn: Callable[[dict[str, int]], object]) -> am.Wait:
        """Wait until a predicate on the clock holds; see `am.MachineApi`."""
        return self._wait(super().when_query(fn))

    def when_time(self, ticks: Mapping[str, int]) -> am.Wait:
        """Wait for ticks; refused with `ValueError` in shallow mode, whose ticks are not true."""
        self._refuse_shallow()
        return self._wait(super().when_time(ticks))

    def when_ticks(self, state: str, ticks: int) -> am.Wait:
        """Wait for a number of ticks; refused with `ValueError` in shallow mode."""
        self._refuse_shallow()
        return self._wait(super().when_ticks(state, ticks))

    def _refuse_shallow(self) -> None:
        if self._sync.shallow:
            raise ValueError("ticks are not the source's in shallow mode")
