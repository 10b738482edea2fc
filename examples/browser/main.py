# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc[ws]"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""A chat whose users are web pages: each follows the same machine, over a websocket."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

import am_helpers as amh
import am_machine as am
import am_rpc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.browser.states import ChatStates  # noqa: E402 - found by the line above

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = Path(__file__).parent
FILES = {
    "/": "index.html",
    "/chat.js": "chat.js",
    "/arpc.js": "arpc.js",
    "/msgpack.js": "msgpack.js",
}
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
WRITABLE = frozenset({"Said", "Typing", "Muted"})
IDLE = 3.0  # seconds after which nobody is taken to write any more
LONGEST = 200  # characters of a line


class Chat:
    """Hands each line on to all, unless the chat is muted."""

    def SaidEnter(self, event: am.Event) -> bool:
        """A vote: a muted chat takes no line, and nobody an empty one."""
        line = event.args
        return "Muted" not in event.machine and 0 < len(line.text.strip()) <= LONGEST

    def SaidState(self, event: am.Event) -> None:
        """What is said is data: it travels as a payload, and to all."""
        event.add("SendPayload", name="line", data=[event.args.who, event.args.text])

    def TypingEnter(self, event: am.Event) -> bool:
        """A vote: in a muted chat there is nothing to write."""
        return "Muted" not in event.machine

    async def TypingState(self, event: am.Event) -> None:
        """Each key begins this anew."""
        await trio.sleep(IDLE)
        event.remove("Typing")


@contextmanager
def pages(port: int, addr: list[str]) -> Generator[int]:
    """Serve the page in threads of their own; yields the port. `addr` is where the machine is."""

    class Page(BaseHTTPRequestHandler):
        """One request."""

        def do_GET(self) -> None:
            """Answer with a file of this folder, the address of the machine written into it."""
            name = FILES.get(self.path)
            if name is None:
                self.send_error(404)
                return
            path = HERE / name
            text = path.read_text().replace("@ADDR@", "".join(addr))
            self.send_response(200)
            self.send_header("Content-Type", KINDS[path.suffix])
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Page) as server:
        thread = threading.Thread(target=server.serve_forever, name="pages")
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


async def serve(port: int = 0) -> None:
    """Serve page and machine until the process is told to end."""
    addr: list[str] = []
    with pages(port, addr) as bound:
        origin = f"http://127.0.0.1:{bound}"
        async with (
            am.Machine(ChatStates, id="chat", handlers=Chat()) as mach,
            am_rpc.Mux(
                mach,
                "ws://127.0.0.1:0/",
                origins=[origin],  # of all web pages this one alone
                access=am_rpc.Access(write=WRITABLE),
                push_interval=0,
            ) as mux,
        ):
            amh.debug_env(mach)
            mach.add("Ready")
            addr.append(mux.addr)
            print(f"machine: {mux.addr}")
            print(f"page: {origin}/", flush=True)
            with trio.open_signal_receiver(signal.SIGTERM) as ends:
                await anext(ends)  # Ctrl+C ends it by an exception


def main() -> None:
    """Serve until Ctrl+C or SIGTERM, at the port that was given."""
    try:
        trio.run(serve, int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    except* KeyboardInterrupt:
        pass
    print("closed", flush=True)


if __name__ == "__main__":
    main()
