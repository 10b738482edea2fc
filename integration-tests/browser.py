"""A real Chromium without a window, spoken to by its debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from .real_servers import tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--window-size=1400,900",
    "--remote-debugging-port=0",
)  # fmt: skip
# Keeps what a page's websockets receive, as text.
_LISTENING = """
window.received = "";
window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", async ({data}) => {
      window.received += typeof data === "string" ? data : await new Response(data).text();
    });
    this.addEventListener("close", () => { window.received += "[closed]"; });
  }
};
"""


class Page:
    """One tab. Seconds are how long something may take."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=30)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    async def open(self, url: str) -> None:
        """Go to an address, and note what websockets receive there."""
        await self.call("Page.enable")
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=_LISTENING)
        await self.call("Page.navigate", url=url)

    async def value(self, expression: str) -> Any:
        """What an expression says in the page."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return found["result"].get("value")

    async def until(self, expression: str, seconds: float = 40) -> None:
        """Wait until an expression is true in the page."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await self.value(expression):
            assert asyncio.get_running_loop().time() < deadline, await self.value("received")
            await asyncio.sleep(0.1)  # a page does not announce what it shows

    async def press(self, key: str, code: str, number: int, modifiers: int = 0) -> None:
        """Press a key, as the web names keys."""
        pressed = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        if key == "Enter":
            pressed["text"] = "\r"
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, modifiers=modifiers, **pressed)

    async def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        taken = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(taken["data"]))


@asynccontextmanager
async def open_page(folder: Path) -> AsyncIterator[Page]:
    """A tab of a browser that keeps everything in a folder; both end with the block."""
    chromium = tool("chromium", "chromium", by="dev -- processes")
    profile = folder / "profile"
    command = (chromium, *_OPTIONS, f"--user-data-dir={profile}", "about:blank")
    quiet = asyncio.subprocess.DEVNULL
    running = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    async with _ended(running):
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = await answer.json()
            tab = next(tab for tab in tabs if tab["type"] == "page")
            url = tab["webSocketDebuggerUrl"]
            async with session.ws_connect(url, max_msg_size=1 << 26) as socket:
                yield Page(socket)


@asynccontextmanager
async def _ended(running: asyncio.subprocess.Process) -> AsyncIterator[None]:
    try:
        yield
    finally:
        running.terminate()
        await running.wait()


async def _port(file: Path) -> int:
    for _ in range(400):
        with contextlib.suppress(OSError, IndexError):
            return int((await asyncio.to_thread(file.read_text)).split()[0])
        await asyncio.sleep(0.1)  # a browser that starts announces itself by this file
    raise AssertionError("the browser did not start")
