"""`am-dbg mcp` with a real client of the protocol, over stdio."""

from __future__ import annotations

import re
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
from mcp import ClientSession, StdioServerParameters, stdio_client

from .agents import ask
from .debuggers import collector, environ_for, export, wait_for_dump

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]


@asynccontextmanager
async def talking(folder: Path, *argv: str) -> AsyncIterator[ClientSession]:
    """A client of a server that was started with these arguments."""
    command = ["-m", "am_debugger", "mcp", *argv, "--dir", str(folder)]
    server = StdioServerParameters(
        command=sys.executable, args=command, env=environ_for(folder), cwd=folder
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield session


async def until(session: ClientSession, words: str, tool: str) -> None:
    """Ask until the answer has these words."""
    with trio.fail_after(40):
        while words not in await ask(session, tool):  # noqa: ASYNC110 - another process
            await trio.sleep(0.1)


def test_an_agent_reads_a_collector_and_may_not_act(tmp_path: Path) -> None:
    async def main() -> None:
        async with talking(tmp_path, "--from", f"unix:{tmp_path / 'a'}") as session:
            tools = {tool.name for tool in (await session.list_tools()).tools}
            assert {"list_machines", "query", "transition", "why", "screen", "act"} <= tools
            await until(session, "41 transitions", "list_machines")
            found = await ask(session, "query", query="+Work arg.id=7")
            assert found.startswith("1 found\n")
            assert "[add Work (id=7)] +Work" in found
            (url,) = re.findall(r"mach://\S+", found)
            told = await ask(session, "transition", url=url)
            assert "id: 7" in told
            assert "Work" in await ask(session, "why", url=url, state="Work")
            absent = await ask(session, "why", url="mach://worker", state="Exception")
            assert "Exception" in absent
            assert "Machines:1" in await ask(session, "screen")
            refusal = await ask(session, "act", state="SelectingClient", args={"client": "worker"})
            assert refusal.startswith("refused: ")
            assert "--write" in refusal
            assert "refused: " in await ask(session, "query", query="no such")
            assert "refused: " in await ask(session, "transition", url="mach://nobody/00")

    with collector(tmp_path):
        export(tmp_path, 20)
        trio.run(main)


def test_an_agent_that_may_act_drives_a_dump(tmp_path: Path) -> None:
    with collector(tmp_path, "--rotate-tx", "20"):
        export(tmp_path, 20)
        dump = wait_for_dump(tmp_path)

    async def main() -> None:
        async with talking(tmp_path, str(dump), "--write") as session:
            states = await ask(session, "states")
            assert "SetCursor(number: int, step: int)" in states
            select = await ask(session, "act", state="SelectingClient", args={"client": "worker"})
            assert select.startswith("executed; active: ")
            assert "executed" in await ask(session, "act", state="SetCursor", args={"number": 2})
            await until(session, "Transition 2 / ", "screen")
            wrong = await ask(session, "act", state="SetCursor", args={"number": "many"})
            assert wrong.startswith("refused: ")
            assert "refused: " in await ask(session, "act", state="NoSuchState")
            none = await ask(session, "act", state="SelectingClient", args={"client": "nobody"})
            assert none.startswith("canceled")
            assert "executed" in await ask(session, "act", state="FilterHealth", remove=True)

    trio.run(main)
