"""The bytes of a short session between `arpc.js` and a server: `python -m examples.browser.frames`.

They are kept in `frames.json`. A test plays the client's part against a real server and compares
what it says; `replay.mjs` plays the server's part to `arpc.js` and compares what that says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import msgpack  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
import trio
import trio_websocket

import am_machine as am
import am_rpc
import am_rpc.wire
from examples.browser.main import WRITABLE, Chat
from examples.browser.states import ChatStates

FILE = Path(__file__).with_name("frames.json")
CALLS: list[tuple[str, list[Any]]] = [
    ("hello", [{"v": 1, "id": "rc-page", "se": bytes(range(8))}]),
    ("ready", []),
    ("a", [["Typing"], {}]),
    ("a", [["Said"], {"who": "anna", "text": "good morning"}]),
    ("a", [["Muted"], {}]),
    ("a", [["Said"], {"who": "anna", "text": "anybody there?"}]),
    ("r", [["Muted"], {}]),
    ("s", [["Ready"], {}]),
    ("a", [["Said"], {"who": "anna"}]),
]
# What is another one in each session, or says how a server is set up.
VOLATILE = ("boot", "lim")


class Session:
    """One connection, and what was said on it, by whom, in order."""

    def __init__(
        self, socket: trio_websocket.WebSocketConnection, said: list[tuple[str, str]]
    ) -> None:
        self.said = said
        self._socket = socket
        self._unpacker: Any = cast("Any", msgpack).Unpacker()
        self._names: list[str] = []

    async def say(self, message: list[Any]) -> None:
        """Send a message and note it."""
        data = am_rpc.wire.pack(message)
        self.said.append(("client", data.hex()))
        await self._socket.send_message(data)

    async def call(self, number: int, method: str, params: list[Any]) -> None:
        """Ask, and answer what is asked meanwhile, until the answer is here."""
        if method in ("a", "r", "s"):
            params = [[self._names.index(name) for name in params[0]], *params[1:]]
        await self.say([0, number, method, params])
        while True:
            for message in self._unpacker:
                self.said.append(("server", am_rpc.wire.pack(message).hex()))
                if message[0] == 0:
                    await self.say([1, message[1], None, None])
                elif message[:2] == [1, number]:
                    if method == "hello":
                        self._names = message[3]["names"]
                    return
            self._unpacker.feed(await self._socket.get_message())


async def record() -> list[tuple[str, str]]:
    """Have the session with a real server; what was said, as hexadecimal bytes."""
    access = am_rpc.Access(write=WRITABLE | {"Ready"})
    said: list[tuple[str, str]] = []
    async with (
        am.Machine(ChatStates, id="chat", handlers=Chat()) as mach,
        am_rpc.Mux(mach, "ws://127.0.0.1:0/", access=access, push_interval=None) as mux,
        trio_websocket.open_websocket_url(mux.addr) as socket,
    ):
        mach.add("Ready")
        session = Session(socket, said)
        for number, (method, params) in enumerate(CALLS, 1):
            await session.call(number, method, params)
    return said


def told(said: list[tuple[str, str]]) -> list[tuple[str, Any]]:
    """What was said, as values, without what is another one each time."""
    found: list[tuple[str, Any]] = []
    for who, text in said:
        message = am_rpc.wire.unpack(bytes.fromhex(text))
        if who == "server" and type(message[-1]) is dict:
            message[-1] = {k: v for k, v in message[-1].items() if k not in VOLATILE}
        elif message[0] == 0 and message[2] == "p":
            message[3] = message[3][:4]  # then comes the id of a transition
        found.append((who, message))
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(trio.run(record), indent=0) + "\n")
