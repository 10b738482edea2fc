"""A local machine that follows some states of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_machine as am

from .._names import check_states
from .pipes import bind_pairs, sync

if TYPE_CHECKING:
    from collections.abc import Iterable


def mirror(
    source: am.MachineApi,
    states: Iterable[str],
    id: str | None = None,
    flat: bool = True,
    handlers: object | None = None,
) -> am.Machine:
    """Return a local machine ``mirror-<id>`` with these states of ``source``, kept up to date.

    The id defaults to the source's. Only ``multi`` is kept of the states, no relations, and such a
    state is entered as often as the source's. So the copy has a queue, negotiation and handlers of
    its own beside a source that may be remote. It holds the source's present activity when this
    returns, and is disposed with its source.

    :raises am.UnknownStateError: if the source lacks a state.
    """
    names = tuple(dict.fromkeys(states))
    check_states(source, names)
    schema = {name: {"multi": source.schema[name].multi} for name in names}
    copy = am.Machine(schema, id=f"mirror-{id or source.id}", parent=source, handlers=handlers)
    multi = {name for name in names if source.schema[name].multi}
    bind_pairs(source, copy, [(name, name, None) for name in names], flat=flat, again=multi)
    sync(source, copy, names)
    return copy
