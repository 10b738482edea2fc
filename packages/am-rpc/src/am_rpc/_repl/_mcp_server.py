"""The server that an agent speaks to: tools over the machines of a REPL.

Typed args become the schemas of tools: one tool for each state that declares some.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import keyword
import os
import typing
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import trio
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from ..__about__ import __version__
from .._errors import RpcError
from ._find import check_states, find_peer, live_net
from ._mutations import mutate as sent
from ._outcome import Code, CommandError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from ._machine import Repl
    from ._outcome import Outcome

_ABOUT: Final = """Live state machines, reached by RPC. A machine has states, many of them active at
once; each has a clock whose tick grows when it becomes active or inactive (odd: active). Begin with
list_machines, look closer with inspect, and ask explain why a mutation would be refused. MACHINE is
an id, the beginning of one that no other has, or `.` for the first."""
_READ_ONLY: Final = "this server only reads: start it with --write to mutate"
# Machines that the description of a tool names.
_SHOWN: Final = 5
_MACHINE: Final = "machine"
T = TypeVar("T")
Kind = Literal["add", "remove", "set", "toggle"]


async def serve(repl: Repl, may_write: bool) -> Code:
    """Connect, and serve over stdin and stdout until the agent leaves.

    :raises CommandError: if no machine is connected.
    """
    async with repl:
        await repl.settle()
        if not repl.pool.connected:
            raise CommandError(Code.NOT_CONNECTED, repl.why_not_connected())
        for peer in repl.pool.connected:
            await peer.fetch_args()
        server = build(repl, may_write=may_write)
        with _protocol_alone():
            await server.run_stdio_async()
    return Code.OK


def build(repl: Repl, *, may_write: bool) -> MCPServer[Any]:
    """The server with its tools; those of states with args are of the machines that are there."""
    server = MCPServer("arpc", version=__version__, instructions=_ABOUT, log_level="WARNING")
    _looking(server, repl)
    _mutating(server, repl, may_write=may_write)
    if may_write:
        for name, states in _states_with_args(repl).items():
            server.add_tool(_typed_tool(repl, name, states), name=f"add_{name}")
    return server


# Looking.


def _looking(server: MCPServer[Any], repl: Repl) -> None:
    # Only coroutines: the server calls others in threads.
    @server.tool()
    async def list_machines() -> str:
        """All machines with their active states, and whether they are connected."""
        return await _command(repl, "list", "--states", "--disconn")

    @server.tool()
    async def inspect(machine: str) -> str:
        """Every state of a machine: tick, active or not, relations, declared args."""
        return await _command(repl, "inspect", machine)

    @server.tool()
    async def clocks(machine: str) -> str:
        """The ticks of all states of a machine, as its source has them now."""
        with _refusals():
            net = live_net(find_peer(repl.pool.peers, machine))
            await net.sync()
            ticks = " ".join(f"{name}:{tick}" for name, tick in net.clock().items())
            return f"{ticks}\nqueue tick {net.queue_tick}, machine tick {net.machine_tick}"

    @server.tool()
    async def explain(
        machine: str, states: list[str], kind: Literal["add", "remove", "set"] = "add"
    ) -> str:
        """Why a mutation would come out as it does now, told by the machine itself: what is
        missing, which state removes which, which handler voted against it last."""
        with _refusals():
            net = live_net(find_peer(repl.pool.peers, machine))
            check_states(net, states)
            lines = await _in_time(repl, net.explain_remote(*states, kind=kind))
            return "\n".join(lines)

    @server.tool()
    async def wait(
        machine: str, states: list[str], inactive: bool = False, seconds: float = 10.0
    ) -> str:
        """Wait until all these states are active, or all inactive; at most so many seconds."""
        words = ("when-not" if inactive else "when", machine, *states)
        return await _command(repl, *words, "--timeout", str(seconds))


async def _command(repl: Repl, *words: str) -> str:
    """Run a command of the REPL."""
    return _told(await repl.run(words))


def _told(outcome: Outcome) -> str:
    """The text of an outcome.

    :raises ToolError: if it is none that was wished for.
    """
    rows = outcome.table.rows if outcome.table is not None else ()
    lines = [*outcome.lines, *(" ".join(map(str, row)).rstrip() for row in rows)]
    if outcome.code is not Code.OK:
        raise ToolError("\n".join([outcome.error or "refused", *lines]))
    return "\n".join(lines)


# Mutating.


def _mutating(server: MCPServer[Any], repl: Repl, *, may_write: bool) -> None:
    @server.tool()
    async def mutate(
        machine: str, kind: Kind, states: list[str], args: dict[str, Any] | None = None
    ) -> str:
        """Add, remove, set or toggle states of a machine, and tell what came of it."""
        if not may_write:
            raise ToolError(_READ_ONLY)
        return await _mutate(repl, kind, machine, tuple(states), args or {})


async def _mutate(
    repl: Repl, kind: Kind, machine: str, states: tuple[str, ...], args: dict[str, Any]
) -> str:
    with _refusals():
        outcome = await _in_time(repl, sent(repl, kind, machine, states, args))
        return _told(outcome)


async def _in_time(repl: Repl, asked: Awaitable[T]) -> T:
    patience = repl.timeout if repl.timeout is not None else float("inf")
    with trio.move_on_after(patience):
        return await asked
    raise CommandError(Code.TIMEOUT, f"no answer within {patience:g} s")


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What the agent asked for in vain is told to it; any other error is a fault of ours."""
    try:
        yield
    except (CommandError, RpcError, ValueError, TypeError) as error:
        raise ToolError(str(error) or type(error).__name__) from error


# Tools of states with args.


def _states_with_args(repl: Repl) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """States that declare args: by name the machines that have them, each with its args."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for peer in repl.pool.connected:
        for state, args in peer.args.items():
            # Others are reached by `mutate`.
            if args and all(map(_may_be_a_parameter, args)):
                found.setdefault(state, []).append((peer.id, args))
    return found


def _may_be_a_parameter(name: str) -> bool:
    plain = name.isidentifier() and not name.startswith("_") and not keyword.iskeyword(name)
    return plain and name != _MACHINE


def _typed_tool(
    repl: Repl, state: str, machines: list[tuple[str, tuple[str, ...]]]
) -> Callable[..., Awaitable[str]]:
    """A function whose signature is the args of a state; the protocol's schema is made of it."""
    names = list(dict.fromkeys(name for _, args in machines for name in args))
    declared = _declared(repl, state)
    ids = ", ".join(id for id, _ in machines[:_SHOWN])
    parameters = [_parameter(_MACHINE, str)]
    parameters += [declared.get(name) or _parameter(name, Any, None) for name in names]

    async def add(**given: Any) -> str:
        machine = given.pop(_MACHINE)
        args = {name: value for name, value in given.items() if value is not None}
        return await _mutate(repl, "add", machine, (state,), args)

    add.__doc__ = f"Add {state} to a machine ({ids}) with its args, and tell what came of it."
    add.__signature__ = inspect.Signature(parameters, return_annotation=str)  # type: ignore[attr-defined]
    return add


def _parameter(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _declared(repl: Repl, state: str) -> dict[str, inspect.Parameter]:
    """The args of a state with their types, where its class is known here."""
    schema = repl.pool.access.schema
    made = schema[state].args if schema is not None and state in schema else None
    if made is None or not dataclasses.is_dataclass(made):
        return {}
    types = typing.get_type_hints(made)
    found = {}
    for field in dataclasses.fields(made):
        is_given = field.default is dataclasses.MISSING and (
            field.default_factory is dataclasses.MISSING
        )
        kind = types[field.name]
        default = inspect.Parameter.empty if is_given else None
        found[field.name] = _parameter(field.name, kind if is_given else kind | None, default)
    return found


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
