"""What one connection, or one file, says of machines: taken into the store message by message.

The messages are those of telemetry's stream, already decoded; handles of machines are numbers
that hold for the link alone. A message that cannot be raises `BadMessageError` and changes nothing,
so the caller may count it and go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._errors import BadMessageError
from .client import Client, Loss, Pending, Process
from .columns import checked_clock
from .layout import MOST
from .versions import handlers_from_wire, pipes_from_wire, schema_from_wire

if TYPE_CHECKING:
    from .store import Store

_MOST_VIA = 8
_LONGEST_ID = 1024
_MOST_SCHEMAS = 10_000


class Link:
    """One source of messages. `process` is what its hello told.

    Entries that are known already, since the other side could not know that they arrived, are
    passed over and counted in `repeated`. After a reconnect these come first; where they may
    come anywhere, as in a file, give `exact=True`, which remembers all ids for as long as the link
    lives. Machines count as connected while a link that `is_live` tells of them.
    """

    def __init__(
        self, store: Store, process: Process, *, exact: bool = False, is_live: bool = True
    ) -> None:
        self.store = store
        self.process = process
        self.repeated = 0
        self._exact = exact
        self._is_live = is_live
        self._clients: dict[int, Client] = {}
        # Serial numbers of machines -> how many handles they have here.
        self._handles: dict[int, int] = {}
        # Handles of machines that may send what is known already: where the next of these is.
        self._resuming: dict[int, int] = {}
        self._known: dict[int, set[bytes]] = {}

    @property
    def clients(self) -> Mapping[int, Client]:
        """Machines by handle."""
        return self._clients

    def client(self, handle: int) -> Client:
        """The machine of a handle.

        :raises BadMessageError: if there is none, or it was removed from the store.
        """
        try:
            client = self._clients[handle]
        except (KeyError, TypeError):
            raise BadMessageError(f"no machine has the handle {handle!r:.50}") from None
        if client not in self.store:
            raise BadMessageError(f"machine {client.id} was removed")
        return client

    # ------------------------------------------------------------------ messages

    def schema(self, ident: bytes, wire: Mapping[str, Any]) -> None:
        """`dbg.schema`.

        :raises BadMessageError: if it is none, or there are too many.
        """
        if type(ident) is not bytes or len(ident) > 64:
            raise BadMessageError(f"the hash of a schema {ident!r:.100}")
        if ident not in self.store.schemas:
            if len(self.store.schemas) >= _MOST_SCHEMAS:
                raise BadMessageError("too many schemas")
            self.store.schemas[ident] = schema_from_wire(ident, wire)

    def machine(self, handle: int, told: Mapping[str, Any]) -> Client:
        """`dbg.mach`: a machine came, came again, or changed.

        :raises BadMessageError: if something is missing or of a wrong type.
        """
        machine_id = _id_text(told.get("id"))
        process = self._process_of(told.get("process"))
        schema = self.store.schemas.get(told.get("hash") or b"")
        if schema is None:
            raise BadMessageError(f"machine {machine_id!r:.100} has a schema that was not sent")
        size = len(schema.names)
        clock = checked_clock(told.get("time") or [], size)
        handlers = handlers_from_wire(told.get("handlers"))
        pipes = pipes_from_wire(told.get("pipes"))
        tags = handlers_from_wire(told.get("tags"))
        parent = told.get("parent")
        parent_id = None if parent is None else _id_text(parent)
        if type(handle) is not int:
            raise BadMessageError(f"a handle {handle!r:.50}")

        client = self._known_client(handle, process, machine_id, schema.names)
        if client is None:
            client = self.store.add(process, machine_id, clock)
        elif self._clients.get(handle) is not client:
            self._expect_repeats(handle, client)
        self._connect(handle, client)
        client.process = process
        client.parent_id, client.tags, client.lib = parent_id, tags, str(told.get("lib") or "")
        client.gone_at = None
        client.set_version(schema, handlers, pipes)
        if handle not in self._resuming and handle not in self._known:
            client.rebase(clock)
        return client

    def _connect(self, handle: int, client: Client) -> None:
        before = self._clients.get(handle)
        if before is client:
            return
        self._clients[handle] = client
        handles = self._handles
        handles[client.serial] = handles.get(client.serial, 0) + 1
        if handles[client.serial] == 1 and self._is_live:
            client.connections += 1
        if before is not None:
            handles[before.serial] -= 1
            if not handles[before.serial] and self._is_live:
                before.connections -= 1

    def _known_client(
        self, handle: int, process: Process, machine_id: str, names: tuple[str, ...]
    ) -> Client | None:
        """The machine that is meant, if it is known: a process that reconnects continues its
        machines, but one that was gone on this very connection is another one."""
        client = self.store.in_process(process.id, machine_id)
        if client is None:
            return None
        if client.gone_at is not None and self._handles.get(client.serial):
            return None
        is_grown = client.version.names == names[: len(client.version.names)]
        return client if is_grown else None

    def _process_of(self, told: object) -> Process:
        if told is None:
            return self.process
        process = process_from_wire(told)
        return self.store.processes.setdefault(process.id, process)

    def _expect_repeats(self, handle: int, client: Client) -> None:
        if not len(client.columns):
            return
        if self._exact:
            ids = bytes(client.columns.ids)
            self._known[handle] = {ids[k : k + 8] for k in range(0, len(ids), 8)}
        else:
            self._resuming[handle] = 0

    def transition(self, handle: int, row: Sequence[Any]) -> int | None:
        """One entry of `dbg.txs`: its number, or None if it is known already.

        :raises BadMessageError: if it is none.
        """
        client = self._clients.get(handle)
        if client is None or client not in self.store:
            client = self.client(handle)
        if (self._resuming or self._known) and self._is_repeated(handle, client, row):
            self.repeated += 1
            return None
        return client.append(row)

    def _is_repeated(self, handle: int, client: Client, row: Sequence[Any]) -> bool:
        ident = row[0] if row else None
        if type(ident) is not bytes:
            return False  # what is wrong with it is told where it is taken in
        if handle in self._known:
            return ident in self._known[handle]
        following = self._resuming.get(handle)
        if following is None:
            return False
        columns = client.columns
        if columns.first <= following <= columns.last and columns.id_of(following) == ident:
            self._resuming[handle] = following + 1
            return True
        found = columns.find_id(ident)
        if found is not None:
            self._resuming[handle] = found + 1
            return True
        # From the first new one on all are new.
        del self._resuming[handle]
        return False

    def log(self, handle: int, time: int, level: int, text: str) -> None:
        """`dbg.log`: a line outside transitions.

        :raises BadMessageError: if something is of a wrong type.
        """
        client = self.client(handle)
        if type(text) is not str or type(level) is not int or not 0 <= level <= 255:
            raise BadMessageError(f"a line {text!r:.100} of level {level!r:.20}")
        client.outer_log.append(client.last, _time(time), level, text)

    def pending(self, handle: int, items: Sequence[Any], time: int) -> None:
        """`dbg.pending`: the answer, which came at `time`.

        :raises BadMessageError: if something is of a wrong type.
        """
        client = self.client(handle)
        if not isinstance(items, list | tuple):
            raise BadMessageError(f"pending items {items!r:.100}")
        client.pending = Pending(_time(time), items)

    def gone(self, handle: int, time: int) -> None:
        """`dbg.gone`: the machine was disposed.

        :raises BadMessageError: if something is of a wrong type.
        """
        client = self.client(handle)
        client.gone_at = _time(time)

    def lost(self, handle: int, count: int, time: int) -> Loss:
        """`dbg.drop`: so many entries will never come.

        :raises BadMessageError: if something is of a wrong type.
        """
        client = self.client(handle)
        client.lose(_time(count), _time(time))
        return client.losses[-1]

    def close(self) -> None:
        """Nothing more comes by this link."""
        if self._is_live:
            for client in set(self._clients.values()):
                client.connections -= 1
        self._clients.clear()
        self._handles.clear()
        self._resuming.clear()
        self._known.clear()


def process_from_wire(told: object) -> Process:
    """A process as told in hello, or of a machine that was forwarded.

    :raises BadMessageError: if it is none.
    """
    if not isinstance(told, Mapping):
        raise BadMessageError(f"a process {told!r:.100}")
    via = told.get("via") or ()
    if not isinstance(via, list | tuple) or len(via) > _MOST_VIA:
        raise BadMessageError(f"a way over {via!r:.100}")
    pid, time = told.get("pid"), told.get("time")
    return Process(
        id=_id_text(told.get("id")),
        pid=pid if type(pid) is int else None,
        host=str(told.get("host") or "")[:_LONGEST_ID],
        argv0=str(told.get("argv0") or "")[:_LONGEST_ID],
        lib=str(told.get("lib") or "")[:_LONGEST_ID],
        time=time if type(time) is int else None,
        via=tuple([_id_text(one) for one in via]),
    )


def _id_text(value: object) -> str:
    if type(value) is not str or not 0 < len(value) <= _LONGEST_ID:
        raise BadMessageError(f"an id {value!r:.100}")
    return value


def _time(value: object) -> int:
    if type(value) is not int or not 0 <= value < MOST:
        raise BadMessageError(f"a time or count {value!r:.50}")
    return value
