"""Watching a source on behalf of everyone who serves it.

A source has one `Observer`, however many servers it has: a transition costs one call into this
layer, and an idle server costs nothing but its place in a set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from weakref import WeakKeyDictionary, ref

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._wire.delta_encoder import Steps


class Follower(Protocol):
    """What a served client offers to the observer of its source."""

    def source_moved(self) -> bool:
        """Something may have changed; must be quick. True: no need to be told before `rearm`."""
        ...

    def source_grew(self) -> None:
        """The schema has more states."""

    def source_disposed(self) -> None:
        """The source is gone for good."""


class _Drains(am.Tracer):
    """Tells when a drain of the source ended, and when its life did.

    Submachines of the source inherit this tracer, but what they do is none of its business.
    """

    def __init__(self, source: am.MachineApi, observer: Observer) -> None:
        self._source: ref[Any] = ref(source)
        self._followers = observer.followers
        self._observer = observer

    def queue_end(self, machine: Any) -> None:
        if machine is self._source():
            self._observer.tell_moved()

    def schema_change(self, machine: Any, old: Any) -> None:
        if machine is self._source():
            self._observer.forget()
            for follower in tuple(self._followers):
                follower.source_grew()

    def machine_dispose(self, machine: Any) -> None:
        if machine is self._source():
            for follower in tuple(self._followers):
                follower.source_disposed()


class _ReplicaDrains(_Drains):
    """The same for a source without a queue, where each transition stands alone."""

    def transition_end(self, transition: am.Transition) -> None:
        if transition.machine is self._source():
            self._observer.tell_moved()


class _Transitions(am.Tracer):
    """Tells of each transition; bound only while somebody wants to know, for it slows a source."""

    def __init__(
        self, source: am.MachineApi, callbacks: dict[Any, Callable[[am.Transition], None]]
    ) -> None:
        self._source: ref[Any] = ref(source)
        self._callbacks = callbacks

    def transition_end(self, transition: am.Transition) -> None:
        if transition.machine is self._source() and not transition.is_check:
            for callback in self._callbacks.values():
                callback(transition)


class Observer:
    """The tracers of one source and those they tell."""

    _known: ClassVar[WeakKeyDictionary[Any, Observer]] = WeakKeyDictionary()

    def __init__(self, source: am.MachineApi) -> None:
        self.followers: dict[Follower, None] = {}
        # Those that know already that something moved are not told again, however many there are.
        self._armed: dict[Follower, None] = {}
        # How often the source has moved.
        self.moves = 0
        # What the followers were told last, and the clock that it was told of.
        self.steps: Steps = {}
        self._clock: tuple[int, int, int, am.Time] | None = None
        self._callbacks: dict[Any, Callable[[am.Transition], None]] = {}
        self._drains = (_Drains if source.is_local else _ReplicaDrains)(source, self)
        self._transitions = _Transitions(source, self._callbacks)

    @classmethod
    def of(cls, source: am.MachineApi) -> Observer:
        """Return the observer of a source, made on first use."""
        observer = cls._known.get(source)
        if observer is None:
            observer = cls._known[source] = cls(source)
        return observer

    def follow(self, source: am.MachineApi, follower: Follower) -> None:
        """Tell `follower` of changes until `unfollow`."""
        if not self.followers:
            source.bind_tracer(self._drains)
        self.followers[follower] = None
        self._armed[follower] = None

    def clock(self, source: am.MachineApi) -> am.Time:
        """Return the clock of a local source at rest, the same object until it moves again."""
        known, queue_tick, machine_tick = self._clock, source.queue_tick, source.machine_tick
        if known is not None and known[:3] == (self.moves, queue_tick, machine_tick):
            return known[3]
        time = source.time()
        self._clock = (self.moves, queue_tick, machine_tick, time)
        return time

    def forget(self) -> None:
        """Share nothing of what was told before."""
        self.steps.clear()
        self._clock = None

    @property
    def is_shared(self) -> bool:
        """Tell whether what one follower is told may be told to another."""
        return len(self.followers) > 1

    def tell_moved(self) -> None:
        """Tell the followers that do not know yet."""
        self.moves += 1
        armed = self._armed
        if armed:
            for follower in [follower for follower in armed if follower.source_moved()]:
                armed.pop(follower, None)

    def rearm(self, follower: Follower) -> None:
        """Tell a follower again when something moves next."""
        if follower in self.followers:
            self._armed[follower] = None

    def follow_transitions(
        self, source: am.MachineApi, follower: Follower, callback: Callable[[am.Transition], None]
    ) -> None:
        """Tell `callback` of each transition too."""
        if not self._callbacks:
            source.bind_tracer(self._transitions)
        self._callbacks[follower] = callback

    def unfollow(self, source: am.MachineApi, follower: Follower) -> None:
        """Stop telling; doing so twice is harmless."""
        if self._callbacks.pop(follower, None) is not None and not self._callbacks:
            source.detach_tracer(self._transitions)
        self._armed.pop(follower, None)
        if follower in self.followers:
            del self.followers[follower]
            if not self.followers:
                source.detach_tracer(self._drains)
                self.forget()
