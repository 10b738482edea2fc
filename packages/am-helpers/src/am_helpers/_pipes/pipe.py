"""The pipe: final handlers on a source machine that mutate a target machine.

Rules of this file
* A mutation is a plain call and never awaited: a local target runs or queues it at once, a remote
  one buffers it, so a handler of the source never waits for a network.
* A pipe forwards nothing any more once the running mutation came through `MAX_HOPS` machines. That
  is what ends a ring of pipes on multi states; other rings end because an active state is not
  entered again.
* Errors which a pipe itself reports are never reported about in turn, else a broken error pipe
  would feed itself forever.
* The source's binding keeps a pipe alive; a target does not keep its pipes, nor their sources,
  alive.
"""

from __future__ import annotations

import secrets
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

import am_machine as am

from .._errors import MachineError, PipeError, PipeLoopError, PipeRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAX_HOPS = 32
"""How many machines a mutation may travel through by pipes."""

RouteKind: TypeAlias = Literal["add", "remove"]

if TYPE_CHECKING:
    Step: TypeAlias = Callable[["Pipe", am.Event], None]
    # By state and moment, since names such as EndEnd may mean two things; AnyState has no state.
    Handlers: TypeAlias = dict[str | tuple[str, Literal["state", "end"]], list[Step]]


class Route(NamedTuple):
    """One path of a pipe; ``Any`` stands for all states at once."""

    kind: RouteKind
    source_state: str
    target_state: str


class Pipe:
    """A live connection from one machine's states to another's; made by the ``bind…`` functions."""

    __slots__ = ("__weakref__", "_binding", "id", "routes", "source", "target")

    def __init__(
        self,
        source: am.MachineApi,
        target: am.MachineApi,
        handlers: Handlers,
        routes: Iterable[Route],
    ) -> None:
        self.id = secrets.token_hex(4)
        self.source = source
        self.target = target
        self.routes = tuple(routes)
        bound = {name: _bound_to(self, steps) for name, steps in handlers.items()}
        self._binding: am.Binding | None = source.bind(bound, name=f"pipe-{self.id}")
        _ends(source).enter(self, target.id)
        _ends(target).enter(self, source.id)
        for end in {source: None, target: None}:
            _list_routes(self, end)
        _tell_watchers(self)

    def __repr__(self) -> str:
        return f"<Pipe {self.id} {self.source.id} -> {self.target.id}>"

    @property
    def attached(self) -> bool:
        """Whether the pipe still forwards."""
        return self._binding is not None

    def detach(self) -> None:
        """Stop forwarding, from the next handler on. Calling it again does nothing."""
        if self._binding is None:
            return
        self._binding.detach()
        self._binding = None
        _ends(self.source).leave(self, self.target.id)
        _ends(self.target).leave(self, self.source.id)
        _drop_entries(self.source, self.target)
        _tell_watchers(self)

    def report(self, event: am.Event, error: PipeError | TypeError) -> None:
        """Add an error to the source, unless the transition itself was made by a pipe's error."""
        if not isinstance(event.mutation.args.get("err"), PipeError):
            self.source.add_err(error)

    def passes(self, event: am.Event) -> bool:
        """Tell whether the target is there and the mutation has not travelled too far."""
        if self.target.disposed:
            return False
        origin = event.mutation.source
        if origin is None or origin.hops < MAX_HOPS:
            return True
        ends = _ends(self.source)
        if ends.loop_reported_in != event.transition.id:
            ends.loop_reported_in = event.transition.id
            self.report(event, PipeLoopError(f"stopped after {origin.hops} machines: {self!r}"))
        return False


class _Ends:
    """The pipes that start or end at one machine, and the last transition found to be in a loop."""

    __slots__ = ("loop_reported_in", "pipes")

    def __init__(self) -> None:
        # By the id of the machine at the other end, each in order.
        self.pipes: dict[str, WeakKeyDictionary[Pipe, None]] = {}
        self.loop_reported_in = ""

    def enter(self, pipe: Pipe, far_id: str) -> None:
        self.pipes.setdefault(far_id, WeakKeyDictionary())[pipe] = None

    def leave(self, pipe: Pipe, far_id: str) -> None:
        group = self.pipes.get(far_id)
        if group is not None:
            group.pop(pipe, None)
            if not group:
                del self.pipes[far_id]

    def all(self) -> set[Pipe]:
        return {pipe for group in self.pipes.values() for pipe in group}

    def detach_all(self, mach: object) -> None:
        for pipe in self.all():
            pipe.detach()


_ends_of: WeakKeyDictionary[am.MachineApi, _Ends] = WeakKeyDictionary()


def _ends(mach: am.MachineApi) -> _Ends:
    ends = _ends_of.get(mach)
    if ends is None:
        ends = _ends_of[mach] = _Ends()
        mach.on_dispose(ends.detach_all)  # once per machine, however many pipes come and go
    return ends


class PipeWatcher(Protocol):
    """Something that follows which pipes there are."""

    def pipe_changed(self, pipe: Pipe) -> None:
        """Take note that the pipe was attached or detached."""
        ...


_watchers: WeakSet[PipeWatcher] = WeakSet()


def watch_pipes(watcher: PipeWatcher) -> None:
    """Tell ``watcher`` of every pipe attached or detached from now on, as long as it lives."""
    _watchers.add(watcher)


def unwatch_pipes(watcher: PipeWatcher) -> None:
    """Tell ``watcher`` no more."""
    _watchers.discard(watcher)


def _tell_watchers(pipe: Pipe) -> None:
    for watcher in tuple(_watchers):
        watcher.pipe_changed(pipe)


def pipes_of(mach: am.MachineApi) -> tuple[Pipe, ...]:
    """Return the attached pipes that start or end at the machine, ordered by id."""
    ends = _ends_of.get(mach)
    return tuple(sorted(ends.all(), key=lambda pipe: pipe.id)) if ends else ()


def _list_routes(pipe: Pipe, end: am.MachineApi, far_id: str | None = None) -> None:
    """Enter a pipe in the semantic log of one of its ends, unless it leads to another machine."""
    for route in pipe.routes:
        if pipe.source is end and far_id in (None, pipe.target.id):
            end.sem_log.pipe_out(route.kind, route.source_state, pipe.target.id)
        if pipe.target is end and far_id in (None, pipe.source.id):
            end.sem_log.pipe_in(route.kind, route.target_state, pipe.source.id)


def _drop_entries(source: am.MachineApi, target: am.MachineApi) -> None:
    """Take the pair's entries out of both semantic logs, then list the pipes that remain.

    The logs know machines by id only and forget all pipes with one at once: also those the other
    way, and those with another machine of the same id.
    """
    for end, far_id in {source: target.id, target: source.id}.items():
        end.sem_log.pipe_gc(far_id)
        for pipe in tuple(_ends(end).pipes.get(far_id, ())):
            _list_routes(pipe, end, far_id)


def _bound_to(
    pipe: Pipe, steps: list[Callable[[Pipe, am.Event], None]]
) -> Callable[[am.Event], None]:
    if len(steps) == 1:
        (only,) = steps
        return lambda event: only(pipe, event)

    def each(event: am.Event) -> None:
        for step in steps:
            step(pipe, event)

    return each


def forward_add(state: str, *, flat: bool, again: bool = False) -> Callable[[Pipe, am.Event], None]:
    """Return the step that adds ``state`` to the target, active there already if ``again``."""
    if is_error(state):
        return _forward_error(state, flat=flat)

    def add(pipe: Pipe, event: am.Event) -> None:
        target = pipe.target
        if (flat and not again and target.is_(state)) or not pipe.passes(event):
            return
        args = {} if flat else args_for(target, (state,), event.mutation.args)
        send(pipe, event, lambda: target.add(state, **args))

    return add


def forward_remove(state: str, *, flat: bool) -> Callable[[Pipe, am.Event], None]:
    """Return the step that removes ``state`` from the target."""

    def remove(pipe: Pipe, event: am.Event) -> None:
        target = pipe.target
        if (flat and target.not_(state)) or not pipe.passes(event):
            return
        args = {} if flat else args_for(target, (), event.mutation.args)
        send(pipe, event, lambda: target.remove(state, **args))

    return remove


def _forward_error(state: str, *, flat: bool) -> Callable[[Pipe, am.Event], None]:
    def add_err(pipe: Pipe, event: am.Event) -> None:
        target = pipe.target
        if (flat and target.is_(state)) or not pipe.passes(event):
            return
        given = event.mutation.args
        args = {} if flat else args_for(target, (state,), given)
        args.pop("err", None)
        error = given.get("err")
        if not isinstance(error, BaseException):
            error = _last_error(pipe.source, event)
        if error is None:
            send(pipe, event, lambda: target.add(state, "Exception", **args))
        elif state == "Exception":
            send(pipe, event, lambda: target.add_err(error, **args))
        else:
            send(pipe, event, lambda: target.add_err(state, error, **args))

    return add_err


def _last_error(source: am.MachineApi, event: am.Event) -> BaseException | None:
    """The error behind an error state that came without one, as on a replica; else None."""
    if "Exception" not in event.transition.called and not source.is_err:
        return None
    return source.err or MachineError(f"{source.id} is in Exception")


def send(pipe: Pipe, event: am.Event, mutate: Callable[[], am.Result]) -> None:
    """Mutate the target; a refusal that nobody would see becomes an error of the source."""
    local = pipe.target.is_local
    try:
        result = mutate()
    except am.ArgsError as exc:
        pipe.report(event, exc)
        return
    except TypeError as exc:
        if local:  # from a handler of the target, which does not catch: not the pipe's to explain
            raise
        pipe.report(event, exc)  # an argument that cannot be sent
        return
    if not local and result.canceled and not pipe.target.disposed:
        pipe.report(event, PipeRefusedError(f"the target refused a mutation: {pipe!r}"))


def is_error(state: str) -> bool:
    """Tell whether a state is added together with ``Exception``."""
    return state == "Exception" or state.startswith("Err")


def args_for(
    target: am.MachineApi, states: Iterable[str], args: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the args to pass on: all, or those which the args classes of the states know.

    ``panic`` stays behind, since it tells of a handler of the source; so does ``err`` for a remote
    target, which takes errors only by `add_err`.
    """
    if not args:
        return {}
    passed = {key: value for key, value in args.items() if key != "panic"}
    if not target.is_local:
        passed.pop("err", None)
    schema = target.schema
    classes = [cls for cls in (schema[state].args for state in states) if cls is not None]
    if classes:
        known = {field.name for cls in classes for field in fields(cls)} | {"err"}
        passed = {key: value for key, value in passed.items() if key in known}
    return passed
