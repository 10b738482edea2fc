"""What an agent does with a server of the MCP, whichever of ours it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp import ClientSession


async def ask(session: ClientSession, tool: str, **args: Any) -> str:
    """The text of an answer, `refused:` before it if the tool refused."""
    answer = await session.call_tool(tool, args)
    text = "\n".join([part.text for part in answer.content if part.type == "text"])
    return f"refused: {text}" if answer.is_error else text
