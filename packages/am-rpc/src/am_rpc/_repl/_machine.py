"""`Repl`: the REPL as a machine. It owns the pool, runs commands, and follows address files."""

from __future__ import annotations

import logging
import math
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

import trio

import am_helpers as ah
import am_machine as am

from .._errors import RpcError
from ._grammar import Command, parse
from ._outcome import Code, CommandError, Outcome, code_of
from ._pool import Access, Pool
from ._states import ReplStates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from ._addr_files import Source

logger: Final = logging.getLogger("am_rpc")
CONNECT_TIME: Final = 1.0
# What each machine of an address that has several adds to that.
CONNECT_EACH: Final = 0.02
WATCH_EVERY: Final = 0.5
# Files that are written in a row are looked at once.
DEBOUNCE: Final = 1.0


class Repl(ah.DisposedHandlers):
    """Machines at some addresses, and the commands that run on them.

    Args:
        source: where addresses come from.
        access: TLS and secret.
        watch: follow changes of address files.
        timeout: seconds that a command may take if it does not say itself; None means any time.
        log_level: of this machine and of the clients.
        on_notice: called with a line of news: machines that come and go.
        on_fault: called with a line about a file that is no use.
        on_lost: called with a line about a machine that was lost or not reached, as `on_fault` is
            by default.
        show: called with each command's name and outcome, also with those of a script.

    Use it with `async with`, which begins to connect and in the end says goodbye to all.
    """

    def __init__(
        self,
        source: Source,
        *,
        show: Callable[[str, Outcome], None],
        access: Access = Access(),  # noqa: B008 - frozen
        watch: bool = False,
        timeout: float | None = None,
        log_level: am.LogLevel = am.LogLevel.NOTHING,
        on_notice: Callable[[str], None] = lambda line: None,
        on_fault: Callable[[str], None] = lambda line: None,
        on_lost: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.timeout = timeout
        self.show = show
        self._watch = watch and source.changes
        self._on_notice = on_notice
        self._fault = on_fault
        self._lost = on_lost or on_fault
        self._extra: tuple[str, ...] = ()
        self._faults: tuple[str, ...] = ()
        # How many commands keep each state active; scripts may nest.
        self._running: Counter[str] = Counter()
        self.mach = ah.common(ReplStates, id="arpc", handlers=self, log_level=log_level)
        self.pool = Pool(self.mach, access, follow=watch, changed=self.recount)

    async def __aenter__(self) -> Self:
        await self.mach.__aenter__()
        self.mach.add("Start")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.mach.add("Disconnecting")
        if exc is None:
            ah.dispose(self.mach)
            await self.mach.when_disposed()
        await self.mach.__aexit__(exc_type, exc, traceback)

    # Connections.

    async def StartState(self, event: am.Event) -> None:
        """Connect, then follow the address files."""
        source = self.source
        seen = await trio.to_thread.run_sync(source.stamp)
        await self.load()
        self.mach.add("Ready")
        while self._watch:
            await trio.sleep(WATCH_EVERY)
            if await trio.to_thread.run_sync(source.stamp) != seen:
                await trio.sleep(DEBOUNCE)
                seen = await trio.to_thread.run_sync(source.stamp)
                self.mach.add("AddrChanged")

    async def AddrChangedState(self, event: am.Event) -> None:
        """Look at the address files again."""
        await self.load()
        self.mach.remove("AddrChanged")

    async def load(self, extra: tuple[str, ...] = ()) -> None:
        """Read the addresses, and `extra` ones from now on; connect new, drop vanished ones."""
        self._extra = tuple(dict.fromkeys((*self._extra, *extra)))
        addrs, faults = await trio.to_thread.run_sync(self.source.load)
        for fault in faults:
            if fault not in self._faults:
                self._fault(fault)
        self._faults = faults
        known = {peer.addr: peer.id for peer in self.pool.peers}
        for addr in self.pool.update(tuple(dict.fromkeys((*addrs, *self._extra)))):
            self._notice(f"gone: {known[addr] or 'a machine'} at {addr}")
        self.recount()

    def recount(self) -> None:
        """Let the states of the pool say how things are."""
        settled, connected, total = (
            self.pool.is_settled,
            len(self.pool.connected),
            len(self.pool.peers),
        )
        wanted = {
            "Disconnected": settled and not connected,
            "Connecting": not settled,
            "Connected": connected > 0,
            "ConnectedFully": 0 < connected == total,
        }
        # What ends goes first: some of these exclude each other.
        for state, on in wanted.items():
            if not on and self.mach.is_(state):
                self.mach.remove(state)
        for state, on in wanted.items():
            if on and not self.mach.is_(state):
                self.mach.add(state)

    def RpcConnState(self, event: am.Event) -> None:
        """A machine is there."""
        self.mach.remove("RpcConn")
        self.recount()
        self._notice(f"connected: {event.args['id']} at {event.args['addr']}")

    def RpcDisconnState(self, event: am.Event) -> None:
        """A machine is lost, or was not reached."""
        error = event.args["err"]
        self.mach.remove("RpcDisconn")
        self.recount()
        name, addr = event.args["id"], event.args["addr"]
        told = f"lost: {name} at {addr}" if name else f"not reached: {addr}"
        self._lost(f"{told}: {error}" if error is not None else told)
        if error is not None:
            self.mach.add_err("ErrNetwork", error)

    async def ListMachinesState(self, event: am.Event) -> None:
        """Show the machines."""
        self.mach.remove("ListMachines")
        await self.run(["list", "--disconn"] if self.pool.peers else ["status"])

    def ExceptionState(self, event: am.Event) -> None:
        """Errors are shown where they happen; the REPL goes on."""
        self.mach.remove("Exception")

    def _notice(self, line: str) -> None:
        # Before the first prompt the list of machines is about to say it.
        if self.mach.is_("ReplMode"):
            self._on_notice(line)

    async def settle(self, timeout: float = CONNECT_TIME) -> None:  # noqa: ASYNC109 - a bound
        """Wait until every machine was tried, at most `timeout` seconds and 20 ms for each."""
        begun = trio.current_time()
        while (left := self._patience(begun, timeout)) > 0:
            with trio.move_on_after(left):
                await self.mach.when("Ready")
                await self.mach.when_not("Connecting")
                return

    def _patience(self, begun: float, timeout: float) -> float:
        known = len(self.pool.peers) * CONNECT_EACH
        return begun + timeout + known - trio.current_time()

    # Commands.

    async def run(self, words: Sequence[str], depth: int = 0) -> Outcome:
        """Run one command and return its outcome, which was shown; no fault of it raises.

        `depth` counts the scripts around it.
        """
        try:
            outcome = await self._run(parse(words), words, depth)
        except CommandError as error:
            if error.code is Code.USAGE:
                self.mach.add_err("ErrSyntax", error)
            outcome = Outcome(error.code, error=str(error))
        except Exception as error:
            # A bug of ours costs a command, not the session.
            logger.exception("%s failed", words[0])
            outcome = Outcome(Code.NO, error=f"internal error: {error!r}")
        self.show(words[0] if words else "", outcome)
        return outcome

    async def _run(self, command: Command, words: Sequence[str], depth: int) -> Outcome:
        timeout = self.timeout if command.timeout is None else command.timeout
        with self._while_running(command, words):
            try:
                with trio.move_on_after(math.inf if timeout is None else timeout):
                    return await command.run(self, depth)
            except RpcError as error:
                raise CommandError(code_of(error), str(error)) from error
        raise CommandError(Code.TIMEOUT, f"not over after {timeout:g} s")

    @contextmanager
    def _while_running(self, command: Command, words: Sequence[str]) -> Iterator[None]:
        """Keep the command's state active."""
        state = command.state
        if state is None:
            yield
            return
        accepted = self.mach.add(state, words=list(words))
        if not accepted and command.needs_connection:
            raise CommandError(Code.NOT_CONNECTED, self.why_not_connected())
        self._running[state] += 1
        try:
            yield
        finally:
            self._running[state] -= 1
            if not self._running[state]:
                self.mach.remove(state)

    def why_not_connected(self) -> str:
        """Name the addresses that are not connected, each with its reason."""
        peers = [peer for peer in self.pool.peers if not peer.is_connected]
        if not peers:
            return "no machines: there are no addresses"
        reasons = [f"{peer.addr}: {peer.why_not_connected}" for peer in peers[:3]]
        more = f" and {len(peers) - 3} more" if len(peers) > 3 else ""
        return f"not connected: {'; '.join(reasons)}{more}"
