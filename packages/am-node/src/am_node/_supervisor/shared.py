"""What the parts of a supervisor share: its machine, its settings, its slots."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from .sizing import CrashLog, StartPatience, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import am_machine as am
    import am_rpc

    from .._errors import EntryPointError
    from .._launchers.base import Launcher, Resources
    from .._settings import Policy, Pool, Rlimits, Timing
    from .._tls import Tls
    from .reverse_listener import ReverseListener
    from .runtime_dir import RuntimeDirectory
    from .sizing import Census
    from .slot import Slot

log = logging.getLogger("am_node")


@dataclass(eq=False)
class Shared:
    """The state of one supervisor that is no state of its machine. Owned by the event loop."""

    mach: am.Machine
    kind: str
    entry: str
    pool: Pool
    timing: Timing
    policy: Policy
    launcher: Launcher
    rlimits: Rlimits
    resources: Resources
    options: Mapping[str, Any]
    directory: RuntimeDirectory
    worker_host: str
    # What remote workers dial; None for launchers on this host.
    reverse_listener: ReverseListener | None = None
    tls: Tls | None = None
    log_level: int = 0
    slots: dict[str, Slot] = field(default_factory=dict)
    public: am_rpc.Mux | None = None
    restarts: int = 0
    forks: int = 0
    exit_code: int = 0
    # Whether any worker was ever linked; why none ever will.
    came_up: bool = False
    failure: EntryPointError | None = None
    give_up: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.crashes = CrashLog(self.timing, self.policy)
        self.start_patience = StartPatience()
        self._tally = Tally()
        self._changed = trio.Event()
        self._lease_changed = trio.Event()

    def __iter__(self) -> Iterator[Slot]:
        return iter(tuple(self.slots.values()))

    def changed(self, slot: Slot | None = None) -> None:
        """Wake whoever judges the pool or gives out workers, once for all changes of one moment.

        A slot that counts for what it did before is nothing to judge the pool anew for.
        """
        if slot is None or self._tally.count(slot.id, slot.counted):
            self._changed.set()
        self._lease_changed.set()

    async def change(self) -> None:
        """Wait until something changed since the last call returned."""
        await self._changed.wait()
        self._changed = trio.Event()

    async def lease_change(self) -> None:
        """The same for whoever gives out workers."""
        await self._lease_changed.wait()
        self._lease_changed = trio.Event()

    async def crash_backoff(self) -> None:
        """Wait until the deaths of young workers allow the next fork."""
        # A death during the wait prolongs it.
        while delay := self.crashes.delay(trio.current_time()):  # noqa: ASYNC110
            await trio.sleep(delay)

    def census(self) -> Census:
        """The workers, counted."""
        return self._tally.census

    def payload(self, name: str, data: Any, client: str) -> None:
        """Send a payload to one client of the supervisor."""
        self.mach.add("ClientSendPayload", name=name, data=data, destination=client)
