"""What is not over yet on a machine: who waits, which contexts and tasks there are, the queue."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from .introspection import again

if TYPE_CHECKING:
    from .base import BaseMachine


@dataclass(frozen=True, slots=True)
class PendingItem:
    """One thing that is not over yet: `kind` is wait, context, task or mutation; `label` tells it
    in words, `states` are those that it looks at; `age` is in seconds, None if it is not known."""

    __module__ = "am_machine"  # as users and pickles know it

    kind: str
    label: str
    states: tuple[str, ...]
    age: float | None


@dataclass(frozen=True, slots=True)
class Pending:
    """What is not over yet on a machine, in order of creation; the queue, the next one first."""

    __module__ = "am_machine"  # as users and pickles know it

    waits: tuple[PendingItem, ...]
    contexts: tuple[PendingItem, ...]
    tasks: tuple[PendingItem, ...]
    queue: tuple[PendingItem, ...]

    def __len__(self) -> int:
        return len(self.waits) + len(self.contexts) + len(self.tasks) + len(self.queue)

    def __str__(self) -> str:
        lines = []
        for item in (*self.queue, *self.tasks, *self.contexts, *self.waits):
            age = "" if item.age is None else f" for {item.age:.1f} s"
            lines.append(f"{item.kind} {item.label}{age}")
        return "\n".join(lines)


def pending(machine: BaseMachine) -> Pending:
    """Who waits for what. In any thread: it reads what there is at some moment of each list."""
    now, schema = monotonic(), machine._schema
    waits = []
    index = machine._waits
    for entry, wait in again(lambda: list(index or ())):
        label = f"{_WAIT_WORDS.get(entry.kind.name, entry.kind.name.lower())} {wait.label}".strip()
        states = schema.names_of(max(entry.mask, 0))
        waits.append(PendingItem("wait", label, states, now - entry.since))
    contexts, tasks = [], []
    dependents = machine._dependents
    if dependents is not None:
        for known in again(lambda: list(dependents.contexts.values())):
            context = known()
            if context is not None:
                label = f"{context.state}:{context.tick}"
                age = now - context.since
                contexts.append(PendingItem("context", label, (context.state,), age))
        for fork in again(lambda: dependents.tasks):
            states = () if fork.state is None else (schema.names[fork.state],)
            tasks.append(PendingItem("task", fork.name, states, now - fork.since))
    queue = [
        PendingItem("mutation", str(mutation), mutation.called, None) for mutation in machine.queue
    ]
    return Pending(tuple(waits), tuple(contexts), tuple(tasks), tuple(queue))


_WAIT_WORDS = {
    "ALL": "when", "NONE": "when_not", "ANY": "when_any", "TIME": "when_time",
    "QUEUE": "when_queue", "QUERY": "when_query", "ARGS": "when_args",
    "QUEUE_ENDS": "when_queue_ends",
    "DISPOSED": "when_disposed",
}  # fmt: skip
