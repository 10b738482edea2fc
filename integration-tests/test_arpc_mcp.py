"""`arpc mcp` with a real client of the protocol, over stdio, against machines that are served."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from mcp import ClientSession, StdioServerParameters, stdio_client

import am_machine as am
import am_rpc

from .agents import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]

STATES = """
from dataclasses import dataclass

import am_machine as am
import am_rpc


@dataclass
class OrderArgs:
    number: int
    notes: list[str] | None = None


class ShopStates(am_rpc.StateSource):
    Start = am.State()
    Open = am.State(require=["Start"])
    Ordered = am.State(multi=True, require=["Open"], args=OrderArgs)
    Closed = am.State(remove=["Open"])
    Audited = am.State(multi=True)
"""


class Handlers:
    """Takes orders, and refuses audits."""

    def __init__(self) -> None:
        self.orders: list[Any] = []

    def OrderedState(self, event: am.Event) -> None:
        self.orders.append(event.args)

    def AuditedEnter(self, event: am.Event) -> bool:
        return False


@asynccontextmanager
async def shop(
    folder: Path, access: am_rpc.Access
) -> AsyncIterator[tuple[am.Machine, Handlers, str]]:
    """A machine that is served at an address."""
    path = folder / "shop_states.py"
    path.write_text(STATES)
    spec = importlib.util.spec_from_file_location("shop_states", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["shop_states"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handlers = Handlers()
    machine = am.Machine(module.ShopStates, id="shop", handlers=handlers)
    addr = f"unix:{folder / 's'}"
    async with machine, am_rpc.Mux(machine, addr, access=access) as mux:
        await mux.mach.when("Ready")
        machine.add("Start")
        yield machine, handlers, addr
        machine.dispose()


@asynccontextmanager
async def talking(folder: Path, *argv: str) -> AsyncIterator[ClientSession]:
    """A client of `arpc mcp` with these arguments."""
    command = ["-m", "am_rpc._repl._main", "mcp", *argv]
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    server = StdioServerParameters(command=sys.executable, args=command, env=env, cwd=folder)
    with trio.fail_after(60):
        async with stdio_client(server) as streams, ClientSession(*streams) as session:
            await session.initialize()
            yield session


@pytest.mark.trio
async def test_an_agent_looks_at_a_live_machine_and_may_not_mutate(tmp_path: Path) -> None:
    async with (
        shop(tmp_path, am_rpc.Access()) as (machine, _, addr),
        talking(tmp_path, addr) as session,
    ):
        tools = {tool.name for tool in (await session.list_tools()).tools}
        assert tools == {"list_machines", "inspect", "clocks", "explain", "wait", "mutate"}
        assert "shop" in await ask(session, "list_machines")
        assert "Start" in await ask(session, "list_machines")
        looked = await ask(session, "inspect", machine="shop")
        assert "number" in looked
        machine.add("Open")
        assert "Open:1" in await ask(session, "clocks", machine="shop")
        assert "Open:1" in await ask(session, "wait", machine="shop", states=["Open"], seconds=5)
        timed_out = await ask(session, "wait", machine="shop", states=["Closed"], seconds=0.1)
        assert timed_out.startswith("refused: ")
        assert "not over after 0.1 s" in timed_out
        machine.remove("Open")
        told = await ask(session, "explain", machine=".", states=["Ordered"])
        assert "Ordered was dropped: it requires Open" in told
        refusal = await ask(session, "mutate", machine="shop", kind="add", states=["Open"])
        assert refusal.startswith("refused: ")
        assert "--write" in refusal
        assert machine.tick("Open") == 2
        for tool, args in (
            ("inspect", {"machine": "nobody"}),
            ("explain", {"machine": "shop", "states": ["Opened"]}),
            ("explain", {"machine": "shop", "states": ["Open"], "kind": "toggle"}),
        ):
            assert (await ask(session, tool, **args)).startswith("refused: "), tool


@pytest.mark.trio
async def test_an_agent_that_may_write_mutates_within_its_access_by_typed_tools(
    tmp_path: Path,
) -> None:
    access = am_rpc.Access(write={"Open", "Ordered", "Audited"})
    async with (
        shop(tmp_path, access) as (machine, handlers, addr),
        talking(tmp_path, addr, "--write", "--states", "shop_states:ShopStates") as session,
    ):
        listed = {tool.name: tool for tool in (await session.list_tools()).tools}
        schema = listed["add_Ordered"].input_schema
        assert schema["properties"]["number"]["type"] == "integer"
        assert set(schema["required"]) == {"machine", "number"}
        notes = [one for one in schema["properties"]["notes"]["anyOf"] if one["type"] == "array"]
        assert notes[0]["items"] == {"type": "string"}

        told = await ask(session, "mutate", machine="shop", kind="add", states=["Open"])
        assert "executed" in told
        assert machine.is_("Open")
        told = await ask(session, "add_Ordered", machine="shop", number=7, notes=["a", "b"])
        assert "executed" in told
        (order,) = handlers.orders
        assert (order.number, order.notes) == (7, ["a", "b"])
        for args in ({"number": "seven"}, {}, {"number": 1, "notes": [3]}):
            refused = await ask(session, "add_Ordered", machine="shop", **args)
            assert refused.startswith("refused: "), args
        assert len(handlers.orders) == 1

        refused = await ask(session, "mutate", machine="shop", kind="add", states=["Audited"])
        assert "AuditedEnter of Handlers voted against it" in refused
        refused = await ask(session, "mutate", machine="shop", kind="add", states=["Closed"])
        assert refused.startswith("refused: ")
        assert "no access" in refused
        assert machine.not_("Closed")


@pytest.mark.trio
async def test_without_classes_tools_are_named_by_the_args_that_the_source_declares(
    tmp_path: Path,
) -> None:
    async with (
        shop(tmp_path, am_rpc.Access()) as (machine, handlers, addr),
        talking(tmp_path, addr, "--write") as session,
    ):
        listed = {tool.name: tool for tool in (await session.list_tools()).tools}
        properties = listed["add_Ordered"].input_schema["properties"]
        assert set(properties) == {"machine", "number", "notes"}
        machine.add("Open")
        assert "executed" in await ask(session, "add_Ordered", machine="shop", number=3)
        refused = await ask(session, "add_Ordered", machine="shop", number="three")
        assert refused.startswith("refused: ")
        assert [order.number for order in handlers.orders] == [3]


@pytest.mark.parametrize(
    ("argv", "code", "told"),
    [
        (["unix:/nowhere/s"], 3, "not connected"),
        ([], 2, "ADDR"),
        (["127.0.0.1:1", "--states", "shop"], 2, "package.module:Class"),
        (["127.0.0.1:1", "--states", "no_such_module:A"], 2, "no_such_module"),
    ],
)
def test_what_is_wrong_is_told_on_stderr_alone(argv: list[str], code: int, told: str) -> None:
    command = [sys.executable, "-m", "am_rpc._repl._main", "mcp", *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, input="")
    assert done.returncode == code
    assert told in done.stderr
    assert done.stdout == ""
