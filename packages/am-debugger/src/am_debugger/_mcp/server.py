"""The server that agents speak to, over stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from ..__about__ import __version__
from .._core.hosting import EndedEarly, hosted, on_signals
from .._ui.offscreen import offscreen
from .tools import RequestError, Tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core.hosting import Core

_ABOUT = """A time-travelling debugger for state machines in many processes. Begin with
list_machines, find transitions with query, then ask transition and why by the addresses
(mach://ID/TX) that it gives; an address without TX means now. Terms of a query must all hold, !
negates: +Ready -Ready (became active, inactive), Ready (was called), @Ready (is active), canceled
queued auto error, id:worker-* src:ID arg.name=value dur>10ms n>10, "a text that was logged"."""


def build(tools: Tools) -> MCPServer[Any]:
    """The server with its tools."""
    server = MCPServer("am-dbg", version=__version__, instructions=_ABOUT, log_level="WARNING")
    # Only coroutines: the server calls others in threads.

    @server.tool()
    async def list_machines() -> str:
        """All machines, a line each as a tree: transitions, times, errors, active states."""
        with _refusals():
            return tools.list_machines()

    @server.tool()
    async def query(query: str, machine: str | None = None, limit: int = 50) -> str:
        """The last transitions that a query means, of one machine or of all."""
        with _refusals():
            return await tools.query(query, machine, limit)

    @server.tool()
    async def transition(url: str) -> str:
        """All that is known of the transition at an address: source, causes, arguments, queue."""
        with _refusals():
            return tools.transition(url)

    @server.tool()
    async def why(url: str, state: str) -> str:
        """Why a state is active at an address, or what stands in its way there."""
        with _refusals():
            return tools.why(url, state)

    @server.tool()
    async def screen() -> str:
        """What the debugger's screen shows, as text."""
        with _refusals():
            return tools.screen()

    @server.tool()
    async def states() -> str:
        """States of the debugger itself that `act` takes, with their arguments."""
        with _refusals():
            return tools.states()

    @server.tool()
    async def act(state: str, args: dict[str, Any] | None = None, remove: bool = False) -> str:
        """Add or remove a state of the debugger, as a key does: select, move, filter, export."""
        with _refusals():
            return tools.act(state, args or {}, remove=remove)

    return server


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What the agent asked for in vain is told to it; any other error is a fault of ours."""
    try:
        yield
    except RequestError as exc:
        raise ToolError(str(exc)) from exc


async def _launch(core: Core, *, may_write: bool) -> None:
    serving: asyncio.Task[None] | None = None

    def end(code: int) -> None:
        core.exit_code = code
        core.stop(code)

    def ended() -> None:
        if serving is not None:
            serving.cancel()

    on_signals(end)
    with contextlib.suppress(EndedEarly, asyncio.CancelledError):
        async with hosted(core, ended), offscreen(core.debugger) as text:
            tools = Tools(core.debugger, text, may_write=may_write)
            with _protocol_alone():
                serving = asyncio.create_task(build(tools).run_stdio_async())
                await serving


@contextlib.contextmanager
def _protocol_alone() -> Iterator[None]:
    """Standard output is for the protocol: whatever else is printed goes to standard error."""
    own = os.dup(1)
    os.dup2(2, 1)
    with (
        io.TextIOWrapper(os.fdopen(own, "wb"), encoding="utf-8") as out,
        contextlib.redirect_stdout(out),
    ):
        yield


def run_server(core: Core, *, may_write: bool) -> None:
    """Serve an agent until it leaves.

    :raises DumpError: if a dump is none.
    """
    asyncio.run(_launch(core, may_write=may_write))
