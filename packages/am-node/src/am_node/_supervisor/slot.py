"""A supervisor's entry of one worker: a machine whose states are the worker's phase and lease."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

import am_helpers as amh
import am_machine as am

from .._debugging import inner_tags
from .._escape import printable
from .._launchers.base import QueuedHandle
from .._status import WorkerInfo
from .sizing import NOT_COUNTED
from .states import SlotStates

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_rpc

    from .._launchers.base import ExitInfo, WorkerHandle
    from .sizing import Counted


_MAX_PENDING = 200


@dataclass(frozen=True, slots=True)
class Lease:
    """A client's right to one worker.

    `client` is the RPC id of the client's link to the supervisor, `worker_link` that of its link to
    the worker, `token` the secret of the latter; with `keep` it stays though it is unused.
    """

    id: str
    client: str
    worker_link: str
    token: bytes = field(repr=False)
    keep: bool = False


class Slot:
    """One worker as its supervisor knows it; `changed` is called after each change."""

    def __init__(self, worker_id: str, parent: am.Machine, changed: Callable[[Slot], None]) -> None:
        self.id = worker_id
        self.mach = am.Machine(
            SlotStates, id=f"{worker_id}-slot", parent=parent, tags=inner_tags("node-slot")
        )
        self.mach.bind(self)
        self._changed = changed
        self.forked_at = trio.current_time()
        self.idle_since = self.forked_at
        self.handle: WorkerHandle | None = None
        self.net: am_rpc.NetworkMachine | None = None
        self.public_addr = ""
        # A unix socket for clients on the same host; empty if there is none.
        self.near_addr = ""
        # Seconds for which it may be silent before it counts as lost.
        self.silence = 0.0
        self.exit: ExitInfo | None = None
        # Whether a client had it when its process ended.
        self.died_at_work = False
        self.lease: Lease | None = None
        self.leased_at = self.forked_at
        # It ends as soon as what runs has ended.
        self.lease_ending = False
        # When the worker last said that it is in use.
        self.looked_at = self.forked_at
        self.lease_watch: trio.CancelScope | None = None
        self.kill_reason = ""
        # The worker said that it ends now, since it has drained.
        self.agreed = False
        self.recent_until = self.forked_at
        self._errors: deque[float] = deque()
        self.mach.add("Initing")

    def AnyState(self, e: am.Event) -> None:
        """Tell the supervisor, which judges the pool anew."""
        self._changed(self)

    def IdleState(self, e: am.Event) -> None:
        """The worker unused for longest is the next to be given away."""
        self.idle_since = trio.current_time()

    @property
    def alive(self) -> bool:
        """Whether its process may still exist."""
        return not self.mach.is_("Gone")

    @property
    def usable(self) -> bool:
        """Whether it counts as ready: linked, ready, and without a recent error."""
        return self.mach.is_("Linked", "Ready") and not self.mach.any_("ErrRecent", "Draining")

    @property
    def counted(self) -> Counted:
        """What it adds to the census of the pool."""
        states = self.mach
        if states.is_("Gone"):
            return NOT_COUNTED
        return (
            1,
            states.any_("Stopping", "Draining"),
            self.usable,
            states.is_("Available"),
            states.is_("Leased"),
        )

    @property
    def pending(self) -> str:
        """What it waits for in the queue of an engine; empty if it does not."""
        return self.handle.pending if isinstance(self.handle, QueuedHandle) else ""

    def errors_within(self, ttl: float) -> int:
        """How many errors are younger than `ttl` seconds; older ones are forgotten."""
        oldest = trio.current_time() - ttl
        while self._errors and self._errors[0] < oldest:
            self._errors.popleft()
        return len(self._errors)

    def note_error(self, ttl: float) -> int:
        """Count an error; returns how many are kept."""
        self._errors.append(trio.current_time())
        self.mach.add("ErrRecent")
        return self.errors_within(ttl)

    def info(self) -> WorkerInfo:
        """The slot in plain values, for lists and tables."""
        status = ""
        if self.net is not None:
            status = self.net.switch("WorkRequested", "Working", "WorkReady", "Idle") or ""
        return WorkerInfo(
            id=self.id,
            states=self.mach.active,
            work_status=status,
            pid=self.handle.pid if self.handle is not None else None,
            client=self.lease.client if self.lease is not None else "",
            tasks=0 if self.net is None else amh.activations(self.net.tick("WorkReady")),
            errors=len(self._errors),
            age=trio.current_time() - self.forked_at,
            pending="" if self.net is not None else printable(self.pending)[:_MAX_PENDING],
        )
