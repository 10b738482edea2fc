"""What one connection, or one file, says of machines: taken into the store message by message.

Handles of machines are numbers that hold for the link alone. A message that cannot be raises
`BadMessageError` and changes nothing, so the caller may count it and go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from am_telemetry import dbg

from .._errors import BadMessageError, NoRoomError
from .client import Client, Pending
from .columns import checked_clock
from .layout import ID_BYTES, MOST
from .versions import MOST_NAME, compile_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .store import Store

_MOST_SCHEMAS = 10_000
_MOST_TEXT = 1 << 18
"""Characters of all that a machine is announced with."""


class Link:
    """One source of messages. `process` is what its hello told.

    Entries that are known already, since the other side could not know that they arrived, are
    passed over and counted in `repeated`. After a reconnect these come first; where they may
    come anywhere, as in a file, give `exact=True`, which remembers all ids for as long as the link
    lives. Machines count as connected while a link that `is_live` tells of them.
    """

    def __init__(
        self, store: Store, process: dbg.Process, *, exact: bool = False, is_live: bool = True
    ) -> None:
        self.store = store
        self.process = process
        self.taken = 0
        """Entries taken, those known already among them."""
        self.repeated = 0
        self._exact = exact
        self._is_live = is_live
        self._clients: dict[int, Client] = {}
        # Handles of machines that nobody tells the other side of now.
        self._left: set[int] = set()
        self.details: dict[int, int] = {}
        """Levels of detail at which the other side is told of machines, by handle."""
        # Serial numbers of machines -> how many handles they have here.
        self._handles: dict[int, int] = {}
        # Serial numbers of machines -> the handle that was given last.
        self._latest: dict[int, int] = {}
        self._ignored: set[int] = set()
        self._ignores_unknown = False
        # Serial numbers of machines whose end this link told, and their handles.
        self._gone: set[int] = set()
        self._ended: set[int] = set()
        # Handles of machines that may send what is known already: where the next of these is.
        self._resuming: dict[int, int] = {}
        self._known: dict[int, set[bytes]] = {}
        # Of these: the machine as announced last, for the first entry that is new.
        self._announced: dict[int, dbg.Mach] = {}
        # Handles of machines of which the latest entry was known: what follows it is, too.
        self._repeating: set[int] = set()

    @property
    def clients(self) -> Mapping[int, Client]:
        """Machines by handle."""
        return self._clients

    def handle_of(self, client: Client) -> int | None:
        """The handle that a machine was given last; None if it has none here, or if nobody tells
        the other side of it now."""
        handle = self._latest.get(client.serial)
        if handle is None or handle in self._left or self._clients.get(handle) is not client:
            return None
        return handle

    def client(self, handle: int) -> Client:
        """The machine of a handle.

        :raises BadMessageError: if there is none, or it was removed from the store.
        """
        client = self._clients.get(handle)
        if client is None:
            raise BadMessageError(f"no machine has the handle {handle}")
        if client not in self.store:
            raise BadMessageError(f"machine {client.id} was removed")
        return client

    # ------------------------------------------------------------------ messages

    def take(self, message: dbg.Message, now: int) -> list[BadMessageError]:
        """Take in any message; one that says nothing of machines is passed over. `now` is the time
        (microseconds since 1970) to note where the message has none.

        Entries of a batch that do not fit are returned as errors; the others are taken in.

        :raises BadMessageError: if a message as a whole does not fit.
        """
        handle = getattr(message, "h", None)
        if handle is not None and not isinstance(message, dbg.Mach) and self._is_ignored(handle):
            return []
        match message:
            case dbg.Txs(entries):
                return self._take_entries(entries)
            case dbg.SchemaDef():
                self.schema(message)
            case dbg.Mach():
                self.machine(message)
            case dbg.Log():
                self.log(message)
            case dbg.PendingMsg(handle, items):
                self.client(handle).pending = Pending(now, items)
            case dbg.Detail(handle, level):
                self.client(handle)  # there is one of this handle
                self.details[handle] = level
            case dbg.Left(handle):
                self._leave(handle)
            case dbg.Gone(handle, time):
                self._end(handle, _time(time))
            case dbg.Drop(handle, count, time):
                client = self.client(handle)
                if handle not in self._repeating:
                    client.lose(count, _time(time))
        return []

    def _take_entries(self, entries: tuple[tuple[int, dbg.Tx], ...]) -> list[BadMessageError]:
        faults: list[BadMessageError] = []
        # Machines of this batch that take all that comes: of a hundred entries one is looked at.
        appends: dict[int, Callable[[dbg.Tx], int]] = {}
        for handle, sent in entries:
            append = appends.get(handle)
            try:
                if append is not None:
                    self.taken += 1
                    append(sent)
                    continue
                self.transition(handle, sent)
                if self._takes_all(handle):
                    appends[handle] = self._clients[handle].append
            except BadMessageError as exc:
                faults.append(exc)
        return faults

    def _takes_all(self, handle: int) -> bool:
        """Whether all that comes of a handle is new to a machine that is known."""
        is_passed_over = handle in self._ignored or handle not in self._clients
        return not (is_passed_over or handle in self._resuming or handle in self._known)

    def schema(self, sent: dbg.SchemaDef) -> None:
        """A schema that machines may refer to by its hash.

        :raises BadMessageError: if it is none, or there are too many.
        """
        if sent.hash not in self.store.schemas:
            if len(self.store.schemas) >= _MOST_SCHEMAS:
                raise BadMessageError("too many schemas")
            self.store.schemas[sent.hash] = compile_sent(sent)

    def machine(self, sent: dbg.Mach) -> Client:
        """A machine came, came again, or changed.

        :raises BadMessageError: if its schema or clock does not fit, or there are too many.
        """
        handle = sent.h
        self._ignored.discard(handle)
        _check_texts(sent)
        if handle not in self._clients and len(self._clients) >= 2 * self.store.max_clients:
            self._free_handles()
            if len(self._clients) >= 2 * self.store.max_clients:
                raise NoRoomError("too many handles on one connection")
        schema = self.store.schemas.get(sent.hash)
        if schema is None:
            raise BadMessageError(f"machine {sent.id!r:.100} has a schema that was not sent")
        clock = checked_clock(sent.time, len(schema.names))
        process = self._process_of(sent.process)
        client = self._known_client(process, sent.id, schema.names)
        if client is None:
            client = self.store.add(process, sent.id, clock)
            self._forget_repeats(handle)
        elif self._clients.get(handle) is not client:
            self._expect_repeats(handle, client)
        self._connect(handle, client)
        if handle in self._known:
            self._announced[handle] = sent
            return client
        client.process = process
        self.store.revision += client.parent_id != sent.parent
        client.parent_id, client.tags, client.lib = sent.parent, sent.tags, sent.lib
        client.gone_at = None
        client.set_version(schema, sent.handlers, sent.pipes)
        if handle not in self._resuming:
            client.rebase(clock)
        return client

    def ignore_unknown(self) -> None:
        """Pass over what comes of any handle that is not known."""
        self._ignores_unknown = True

    def ignore(self, handle: int) -> None:
        """Pass over what comes of a handle: its entries count as taken, and nothing more."""
        self._ignored.add(handle)

    def _is_ignored(self, handle: int) -> bool:
        if handle in self._ignored:
            return True
        return self._ignores_unknown and handle not in self._clients

    def _leave(self, handle: int) -> None:
        """Nobody tells the other side of a machine any more.

        :raises BadMessageError: if there is none of this handle.
        """
        client = self.client(handle)
        if handle not in self._left:
            self._left.add(handle)
            self._count(client, -1)

    def _end(self, handle: int, time: int) -> None:
        """A machine ended.

        :raises BadMessageError: if there is none of this handle.
        """
        if handle in self._clients:
            self._ended.add(handle)
        client = self.client(handle)
        client.gone_at = time
        self._gone.add(client.serial)
        self.store.left(client)

    def _count(self, client: Client, by: int) -> None:
        """A handle of this link means a machine, or does no more."""
        handles = self._handles
        was = handles.get(client.serial, 0)
        handles[client.serial] = was + by
        if was == 0 or was + by == 0:
            client.links += by
            client.connections += by if self._is_live else 0
        if not client.is_connected:
            self.store.left(client)

    def _free_handles(self) -> None:
        """Nothing comes any more of machines that ended: a program that makes one for each thing it
        does may go on with that."""
        for handle in self._ended:
            client = self._clients.pop(handle)
            if handle not in self._left:
                self._count(client, -1)
            self._left.discard(handle)
            self._lose_handle(client, handle)
            self._forget_repeats(handle)
            self.details.pop(handle, None)
        self._ended.clear()
        self._gone = {serial for serial in self._gone if self.store.by_serial(serial) is not None}

    def _connect(self, handle: int, client: Client) -> None:
        before = self._clients.get(handle)
        self._ended.discard(handle)
        if before is not None and handle in self._left:
            self._left.discard(handle)
            self._count(before, 1)
        if before is client:
            return
        self._clients[handle] = client
        self._latest[client.serial] = handle
        self._count(client, 1)
        if before is not None:
            self._count(before, -1)
            self._lose_handle(before, handle)

    def _lose_handle(self, client: Client, handle: int) -> None:
        """A machine is not known by this handle any more."""
        if not self._handles.get(client.serial):
            self._handles.pop(client.serial, None)
            self._latest.pop(client.serial, None)
        elif self._latest.get(client.serial) == handle:
            others = [h for h, known in self._clients.items() if known is client]
            self._latest[client.serial] = others[-1]

    def _known_client(
        self, process: dbg.Process, machine_id: str, names: tuple[str, ...]
    ) -> Client | None:
        """The machine that is meant, if it is known: a process that reconnects continues its
        machines, but one that was gone on this very connection is another one."""
        client = self.store.in_process(process.id, machine_id)
        if client is None:
            return None
        if client.gone_at is not None and client.serial in self._gone:
            return None
        known = client.version.names
        is_grown = known == names[: len(known)]
        # A file begins with what held at its beginning.
        is_older = self._exact and names == known[: len(names)]
        return client if is_grown or is_older else None

    def _process_of(self, told: dbg.Process | None) -> dbg.Process:
        if told is None:
            return self.process
        return self.store.processes.get(told.id, told)

    def _expect_repeats(self, handle: int, client: Client) -> None:
        self._forget_repeats(handle)
        if not len(client.columns):
            return
        if self._exact:
            self._repeating.add(handle)
        if self._exact:
            ids = bytes(client.columns.ids)
            self._known[handle] = {ids[k : k + ID_BYTES] for k in range(0, len(ids), ID_BYTES)}
        else:
            self._resuming[handle] = 0

    def _forget_repeats(self, handle: int) -> None:
        self._resuming.pop(handle, None)
        self._known.pop(handle, None)
        self._announced.pop(handle, None)
        self._repeating.discard(handle)

    def transition(self, handle: int, sent: dbg.Tx) -> int | None:
        """One entry: its number, or None if it is known already.

        :raises BadMessageError: if it does not fit its machine.
        """
        client = self._clients.get(handle)
        self.taken += 1
        if handle in self._ignored or (client is None and self._ignores_unknown):
            return None
        if client is None or client not in self.store:
            client = self.client(handle)
        if self._resuming or self._known:
            if self._is_repeated(handle, client, sent.id):
                self.repeated += 1
                return None
            self._go_on(handle, client)
        return client.append(sent)

    def _go_on(self, handle: int, client: Client) -> None:
        """A machine that repeated itself says something new."""
        self._repeating.discard(handle)
        announced = self._announced.pop(handle, None)
        if announced is not None:
            schema = self.store.schemas[announced.hash]
            if len(schema.names) >= len(client.version.names):
                client.set_version(schema, announced.handlers, announced.pipes)

    def _is_repeated(self, handle: int, client: Client, ident: bytes) -> bool:
        known = self._known.get(handle)
        if known is not None:
            if ident in known:
                self._repeating.add(handle)
                return True
            return False
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

    def log(self, sent: dbg.Log) -> None:
        """A line outside transitions.

        :raises BadMessageError: if it is of no machine.
        """
        client = self.client(sent.h)
        if sent.h in self._repeating:
            return
        time, level = _time(sent.time), min(sent.level, 255)
        # In a dump everything has its place.
        client.outer_log.append(client.last, time, level, sent.text, is_loose=self._is_live)

    def is_repeating(self, handle: int) -> bool:
        """Whether what is said of a machine is known already."""
        return handle in self._repeating

    def close(self) -> None:
        """Nothing more comes by this link."""
        for handle, client in self._clients.items():
            if handle not in self._left:
                self._count(client, -1)
        self._clients.clear()
        self._left.clear()
        self._ended.clear()
        self.details.clear()
        self._handles.clear()
        self._latest.clear()
        self._resuming.clear()
        self._known.clear()
        self._announced.clear()
        self._repeating.clear()


def _time(value: int) -> int:
    if not 0 <= value < MOST:
        raise BadMessageError(f"a time {value}")
    return value


def _check_texts(sent: dbg.Mach) -> None:
    """See that a machine is not announced with texts that memory is filled by.

    :raises BadMessageError: if it is.
    """
    process = sent.process
    ids = [sent.id, sent.parent or "", sent.lib, *sent.tags, *sent.handlers]
    for pipe in sent.pipes:
        ids += [pipe.state, pipe.machine_id]
    longest, total = max(map(len, ids)), sum(map(len, ids))
    if process is not None:
        told = [process.id, process.host, process.argv0, process.lib, *process.via]
        total += sum(map(len, told))
    if not sent.id or longest > MOST_NAME:
        raise BadMessageError(f"a machine with an id or a name of {longest} characters")
    if total > _MOST_TEXT:
        raise BadMessageError(f"a machine that is announced with {total} characters")
