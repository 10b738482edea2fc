"""Pipes: connect the states of one machine to those of another. Source and target may be remote.

Every function returns a `Pipe`. With ``flat=True`` no args are passed on, and nothing is sent to a
target that already is the way it should become. Each checks its states at once and raises
`am.UnknownStateError` before anything is bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .._names import check_states, state_names
from .pipe import Pipe, Route, args_for, forward_add, forward_remove, is_error, send

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import am_machine as am

    from .pipe import Handlers


def bind(
    src: am.MachineApi,
    tgt: am.MachineApi,
    state: str,
    active: str | None = None,
    inactive: str | None = None,
    *,
    flat: bool = False,
) -> Pipe:
    """Add ``active`` to the target when ``state`` is entered, remove ``inactive`` when it is left.

    ``active`` defaults to ``state``, ``inactive`` to ``active``. An ``Err…`` state is added with
    ``Exception`` and takes the error along.
    """
    return bind_pairs(src, tgt, [(state, active or state, inactive)], flat=flat)


def bind_add(
    src: am.MachineApi,
    tgt: am.MachineApi,
    state: str,
    target: str | None = None,
    *,
    flat: bool = False,
) -> Pipe:
    """Add ``target``, by default ``state``, when ``state`` is entered; its end is not passed on."""
    return _one_way(src, tgt, "add", state, target or state, flat=flat)


def bind_remove(
    src: am.MachineApi,
    tgt: am.MachineApi,
    state: str,
    target: str | None = None,
    *,
    flat: bool = False,
) -> Pipe:
    """Remove ``target``, by default ``state``, when ``state`` is left; nothing when entered."""
    return _one_way(src, tgt, "remove", state, target or state, flat=flat)


def _one_way(
    src: am.MachineApi,
    tgt: am.MachineApi,
    kind: Literal["add", "remove"],
    state: str,
    target: str,
    *,
    flat: bool,
) -> Pipe:
    """Pass on that a state is entered, or that it is left, and nothing of the other."""
    is_add = kind == "add"
    check_states(src, (state,))
    check_states(tgt, (target, "Exception") if is_add and is_error(target) else (target,))
    step = forward_add(target, flat=flat) if is_add else forward_remove(target, flat=flat)
    handlers: Handlers = {(state, "state" if is_add else "end"): [step]}
    return Pipe(src, tgt, handlers, [Route(kind, state, target)])


def bind_start(
    src: am.MachineApi,
    tgt: am.MachineApi,
    active: str | None = "Start",
    inactive: str | None = None,
    *,
    flat: bool = False,
) -> Pipe:
    """`bind` the source's ``Start``."""
    return bind(src, tgt, "Start", active, inactive, flat=flat)


def bind_ready(
    src: am.MachineApi,
    tgt: am.MachineApi,
    active: str | None = "Ready",
    inactive: str | None = None,
    *,
    flat: bool = False,
) -> Pipe:
    """`bind` the source's ``Ready``."""
    return bind(src, tgt, "Ready", active, inactive, flat=flat)


def bind_err(
    src: am.MachineApi, tgt: am.MachineApi, state: str = "Exception", *, flat: bool = False
) -> Pipe:
    """Add the source's errors to the target as ``state``; their end is not passed on."""
    check_states(tgt, (state,))
    if not is_error(state):
        raise ValueError(f"{state} is not an error state: its name does not start with Err")
    return _one_way(src, tgt, "add", "Exception", state, flat=flat)


def bind_connected(
    src: am.MachineApi,
    tgt: am.MachineApi,
    disconnected: str | None = None,
    connecting: str | None = None,
    connected: str | None = None,
    disconnecting: str | None = None,
    *,
    flat: bool = False,
) -> Pipe:
    """`bind` the phases of a connection to the states given; phases without one are left out."""
    phases = (
        ("Disconnected", disconnected),
        ("Connecting", connecting),
        ("Connected", connected),
        ("Disconnecting", disconnecting),
    )
    return bind_pairs(src, tgt, [(s, t, None) for s, t in phases if t is not None], flat=flat)


def bind_many(
    src: am.MachineApi,
    tgt: am.MachineApi,
    states: Sequence[str],
    targets: Sequence[str] | None = None,
    *,
    flat: bool = False,
) -> Pipe:
    """`bind` each of ``states`` to the target state at the same place, by default of the same name.

    :raises ValueError: if the lengths differ.
    """
    pairs = _pairs(states, targets)
    return bind_pairs(src, tgt, [(s, t, None) for s, t in pairs], flat=flat)


def bind_any(src: am.MachineApi, tgt: am.MachineApi, *, flat: bool = False) -> Pipe:
    """Keep the target's activity equal to the source's: `set` its states after every transition.

    Nothing is sent when all states of the source are in the target what they are in the source.
    States that only the target has are dropped by a `set`, as by any `set`.
    """
    names = state_names(src)
    check_states(tgt, names)

    def mirror(pipe: Pipe, event: am.Event) -> None:
        states = pipe.source.active
        on = set(states)
        rest = [name for name in state_names(pipe.source) if name not in on]
        if (tgt.is_(*states) and tgt.not_(*rest)) or not pipe.passes(event):
            return
        args = {} if flat else args_for(tgt, states, event.mutation.args)
        send(pipe, event, lambda: tgt.set(*states, **args))

    routes = [Route("add", "Any", "Any"), Route("remove", "Any", "Any")]
    return Pipe(src, tgt, {"AnyState": [mirror]}, routes)


def sync(
    src: am.MachineApi,
    tgt: am.MachineApi,
    states: Sequence[str],
    targets: Sequence[str] | None = None,
    *,
    flat: bool = False,
) -> int:
    """Apply the source's present activity to the target: at most one add and one remove.

    Pipes forward changes only, so a pipe made late starts with a `sync`. Returns how many target
    states were named. ``flat=True`` names only those that differ; without it multi states are
    entered again.

    :raises ValueError: if the lengths differ.
    """
    pairs = _pairs(states, targets)
    check_states(src, [s for s, _ in pairs])
    check_states(tgt, [t for _, t in pairs])
    add = [t for s, t in pairs if src.is_(s) and not (flat and tgt.is_(t))]
    remove = [t for s, t in pairs if src.not_(s) and not (flat and tgt.not_(t))]
    if add:
        needs_exception = any(map(is_error, add)) and "Exception" not in add
        tgt.add(*add, *(["Exception"] if needs_exception else []))
    if remove:
        tgt.remove(*remove)
    return len(add) + len(remove)


def _pairs(states: Sequence[str], targets: Sequence[str] | None) -> list[tuple[str, str]]:
    if targets is None:
        targets = states
    if len(states) != len(targets):
        raise ValueError(f"{len(states)} states cannot be piped to {len(targets)} targets")
    return list(zip(states, targets, strict=True))


def bind_pairs(
    src: am.MachineApi,
    tgt: am.MachineApi,
    pairs: Sequence[tuple[str, str, str | None]],
    *,
    flat: bool,
    again: Collection[str] = (),
) -> Pipe:
    """Bind (source state, state to add, state to remove or None for the one to add).

    A state in ``again`` is added also while it is active, which enters a multi state anew.
    """
    handlers: Handlers = {}
    routes = []
    full = [(state, active, inactive or active) for state, active, inactive in pairs]
    check_states(src, [state for state, _, _ in full])
    check_states(tgt, [name for _, active, inactive in full for name in (active, inactive)])
    if any(is_error(active) for _, active, _ in full):
        check_states(tgt, ("Exception",))
    for state, active, inactive in full:
        step = forward_add(active, flat=flat, again=active in again)
        handlers.setdefault((state, "state"), []).append(step)
        handlers.setdefault((state, "end"), []).append(forward_remove(inactive, flat=flat))
        routes += [Route("add", state, active), Route("remove", state, inactive)]
    return Pipe(src, tgt, handlers, routes)
