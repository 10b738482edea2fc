"""All machines that the debugger knows, by process and id."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from .._errors import NoRoomError
from .client import Client
from .layout import USUAL_SIZES, Sizes
from .tx import Tx, Views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from am_telemetry.dbg import Process

    from .tx import SourceRef
    from .versions import SchemaVersion

MOST_CLIENTS = 5000


class Store:
    """Machines in the order in which they came."""

    def __init__(self, *, max_clients: int = MOST_CLIENTS, sizes: Sizes = USUAL_SIZES) -> None:
        self.max_clients = max_clients
        self.is_full = False
        """Memory is short, though all was dropped that may be: no more machines are taken in."""
        self.make_room: Callable[[], bool] | None = None
        """Asked to remove a machine that nobody needs where there are as many as may be; whether
        it did."""
        self._sizes = sizes
        self.schemas: dict[bytes, SchemaVersion] = {}
        self.processes: dict[str, Process] = {}
        """Those that have machines here, by id."""
        self._machines_of: Counter[str] = Counter()
        self._clients: dict[int, Client] = {}
        self._by_id: dict[str, Client] = {}
        # (process id, machine id) -> the machine that has it now.
        self._by_machine: dict[tuple[str, str], Client] = {}
        self._named: dict[str, list[Client]] = {}
        # Machine id -> the highest number that was put behind it.
        self._numbered: dict[str, int] = {}
        # Machines that nobody told of at some time since, by serial number, in that order.
        self._left: OrderedDict[int, Client] = OrderedDict()
        self._next_serial = 1
        self._views = Views()
        self.refused_clients = 0
        # Changes where machines came, went, or have other parents.
        self.revision = 0

    # ------------------------------------------------------------------ machines

    def __iter__(self) -> Iterator[Client]:
        return iter(self._clients.values())

    def __len__(self) -> int:
        return len(self._clients)

    def __contains__(self, client: object) -> bool:
        return isinstance(client, Client) and self._clients.get(client.serial) is client

    def get(self, id: str) -> Client | None:
        """The machine shown by this id."""
        return self._by_id.get(id)

    def by_serial(self, serial: int) -> Client | None:
        """The machine with this serial number."""
        return self._clients.get(serial)

    def in_process(self, process_id: str, machine_id: str) -> Client | None:
        """The machine that a process knows by this id."""
        return self._by_machine.get((process_id, machine_id))

    def named(self, machine_id: str) -> Sequence[Client]:
        """The machines of all processes that have this id there."""
        return self._named.get(machine_id, ())

    def add(self, process: Process, machine_id: str, ticks: Sequence[int]) -> Client:
        """A machine came that was not known.

        :raises NoRoomError: if there are too many.
        """
        if self.is_full or (len(self._clients) >= self.max_clients and not self._has_room()):
            self.refused_clients += 1
            raise NoRoomError(f"{len(self._clients)} machines are known, no more are taken in")
        self.processes.setdefault(process.id, process)
        self._machines_of[process.id] += 1
        shown = self._free_id(machine_id)
        client = Client(self._next_serial, shown, machine_id, process, ticks, self._sizes)
        self._next_serial += 1
        self._clients[client.serial] = client
        self._by_id[client.id] = client
        self._by_machine[process.id, machine_id] = client
        self._named.setdefault(machine_id, []).append(client)
        self.revision += 1
        return client

    def _has_room(self) -> bool:
        return self.make_room is not None and self.make_room()

    def _free_id(self, machine_id: str) -> str:
        if machine_id not in self._by_id:
            return machine_id
        count = len(self._named.get(machine_id, ())) + 1
        if f"{machine_id}~{count}" in self._by_id:
            # Older ones went; counting on from here would take longer with each that comes.
            count = max(count, self._numbered.get(machine_id, 0)) + 1
            while f"{machine_id}~{count}" in self._by_id:
                count += 1
        self._numbered[machine_id] = max(count, self._numbered.get(machine_id, 0))
        return f"{machine_id}~{count}"

    def remove(self, client: Client) -> None:
        """Forget a machine; what still comes of it makes it known again."""
        if self._clients.pop(client.serial, None) is None:
            return
        del self._by_id[client.id]
        process_id = client.process.id
        self._machines_of[process_id] -= 1
        if not self._machines_of[process_id]:
            del self._machines_of[process_id]
            self.processes.pop(process_id, None)
        key = (process_id, client.machine_id)
        if self._by_machine.get(key) is client:
            del self._by_machine[key]
        named = self._named[client.machine_id]
        named.remove(client)
        if not named:
            del self._named[client.machine_id]
            self._numbered.pop(client.machine_id, None)
        self._left.pop(client.serial, None)
        self._views.forget(client.serial)
        self.revision += 1

    def left(self, client: Client) -> None:
        """Nobody tells of a machine now."""
        if client in self:
            self._left.setdefault(client.serial, client)

    def oldest_left(self, kept: Client | None = None) -> Client | None:
        """Of the machines that nobody tells of the one that was left first, but for one that is
        kept; None if there is none."""
        found: Client | None = None
        while self._left and found is None:
            _, client = self._left.popitem(last=False)
            if client is not kept and not client.is_connected:
                found = client
        for other in (found, kept):
            if other is not None and not other.is_connected:
                self.left(other)
        return found

    def clear(self) -> None:
        """Forget all machines."""
        for client in list(self):
            self.remove(client)
        self.schemas.clear()

    def drop_schemas(self) -> int:
        """Forget the schemas that no machine has; how many went."""
        used = {version.schema.sent.hash for client in self for version in client.versions}
        unused = self.schemas.keys() - used
        for key in unused:
            del self.schemas[key]
        return len(unused)

    # ------------------------------------------------------------------ transitions

    def tx(self, client: Client, number: int) -> Tx:
        """A view of a transition.

        :raises IndexError: if it is not kept.
        """
        return self._views.get(client.serial, client.columns, number)

    def forget_views(self, client: Client) -> None:
        """Transitions of a machine were changed."""
        self._views.forget(client.serial)

    def forget_all_views(self) -> None:
        """What was decoded can be decoded again, and memory is short."""
        self._views.clear()

    def find_source(self, client: Client, source: SourceRef) -> tuple[Client, int] | None:
        """The transition that a transition of `client` names as its source: in its own process if
        there is one, else in any."""
        own = self.in_process(client.process.id, source.machine_id)
        for other in dict.fromkeys([*([own] if own else ()), *self.named(source.machine_id)]):
            number = other.find_id(source.id)
            if number is not None:
                return other, number
        return None

    def parent_of(self, client: Client) -> Client | None:
        """The machine it was made under, if that is known."""
        if client.parent_id is None:
            return None
        own = self.in_process(client.process.id, client.parent_id)
        if own is not None:
            return own
        others = self.named(client.parent_id)
        return others[0] if others else None

    # ------------------------------------------------------------------ figures

    @property
    def transitions(self) -> int:
        """Transitions kept."""
        return sum([len(client.columns) for client in self])

    @property
    def nbytes(self) -> int:
        """Bytes held: columns, stores and caches."""
        schemas = sum([schema.nbytes for schema in self.schemas.values()])
        return sum([client.nbytes for client in self]) + schemas + self._views.nbytes

    def time_sum_at(self, time: int) -> int:
        """The sum of all machine times at a human time."""
        total = 0
        for client in self:
            position = client.columns.times.last_until(time)
            total += client.columns.sums.shown[position] if position >= 0 else 0
        return total
