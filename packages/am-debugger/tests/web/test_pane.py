"""The diagrams pane: who gets what, and how browsers learn of news."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio_websocket

from am_debugger._core.debugger import Debugger, Settings
from am_debugger._files.diagrams.worker import answer_to
from am_debugger._files.outputs.handlers import OutputHandlers
from am_debugger._store.link import Link
from am_debugger._web import serving as module
from am_debugger._web.files import find, present
from am_debugger._web.guard import is_own
from am_debugger._web.handlers import WebHandlers

from ..exporter import Exporter
from ..messages import process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from am_debugger._files.diagrams.request import Answer, Request


class HereDrawer:
    """Draws in this process."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def draw(self, request: Request) -> Answer:
        await trio.lowlevel.checkpoint()
        return answer_to(request)


class Served:
    """A debugger with two machines whose outputs are served."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.debugger = Debugger(Settings(tail=False, folder=folder))
        self.machine = self.debugger.machine
        self.web = WebHandlers(self.debugger, ("127.0.0.1", port))
        drawer: Any = HereDrawer()
        self.machine.bind(OutputHandlers(self.debugger, drawer=drawer, on_written=self.web.wrote))
        self.machine.bind(self.web)
        link = Link(self.debugger.session.store, process())
        for handle, id in enumerate(("m1", "m2"), start=1):
            exporter = Exporter(link, id, handle)
            for k in range(5):
                exporter.do([2], {2: 1}, time=1000 * k + 1, kind=exporter.ticks[2] % 2)

    @property
    def port(self) -> int:
        return int(self.web.url.rstrip("/").rpartition(":")[2])

    async def ask(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, str, str]:
        """Status, head and body of an answer; `Host` is right unless given."""
        told = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items())]
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream:
            await stream.send_all("\r\n".join([*lines, "", ""]).encode())
            data = b""
            async for piece in stream:
                data += piece
        head, _, body = data.decode(errors="replace").partition("\r\n\r\n")
        return int(head.split()[1]), head.lower(), body


def write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path)
    async with running(made):
        yield made


@contextlib.asynccontextmanager
async def running(made: Served) -> AsyncIterator[None]:
    with trio.fail_after(15):
        async with made.machine as machine:
            machine.add("Start", "Ready")
            machine.add("SelectingClient", client="m1")
            machine.add("Web")
            await machine.when("DiagramsGraphReady", "DiagramsMachReady", "DiagramsStatesReady")
            while not made.web.url:  # noqa: ASYNC110 - the server tells nobody that it is there
                await trio.sleep(0.01)
            yield


@pytest.mark.trio
async def test_pages_and_files_are_served(served: Served) -> None:
    status, head, body = await served.ask("/")
    assert status == 200
    assert "text/html" in head
    assert "default-src 'none'" in head
    assert "nosniff" in head
    assert "viewer.js" in body
    for page in ("/viewer.js", "/viewer.css"):
        assert (await served.ask(page))[0] == 200
    status, head, body = await served.ask("/files/diagrams/machine.mmd?revision=7")
    assert (status, "text/plain" in head) == (200, True)
    assert body.startswith("flowchart")
    assert "transition 5" in (await served.ask("/files/tx.md"))[2]


@pytest.mark.trio
async def test_foreign_hosts_and_origins_are_refused(served: Served) -> None:
    port = served.port
    own = f"http://127.0.0.1:{port}"
    assert (await served.ask("/", Origin=own))[0] == 200
    assert (await served.ask("/", Host=f"localhost:{port}"))[0] == 200
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"127.0.0.1.evil.example:{port}"},
        {"Host": f"localhost:{port}", "Origin": own},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{port}"},
        {"Origin": f"http://127.0.0.1:{port + 1}"},
    ):
        for path in ("/", "/files/tx.md", "/follow"):
            status, _, body = await served.ask(path, **headers)
            assert status == 403, (headers, path)
            assert "transition" not in body


@pytest.mark.trio
async def test_a_foreign_page_gets_no_socket(served: Served) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ):
        assert (await served.ask("/follow", **{**upgrade, **headers}))[0] == 403, headers


@pytest.mark.trio
async def test_nothing_else_of_the_folder_is_served(served: Served, tmp_path: Path) -> None:
    for name in ("secret.txt", ".env", "run.amdbg.gz"):
        write(tmp_path / name, "s3cret")
    (tmp_path / "diagrams" / "steps.svg").unlink(missing_ok=True)
    (tmp_path / "diagrams" / "steps.svg").symlink_to("/etc/passwd")
    for path in (
        "/files/secret.txt", "/files/.env", "/files/run.amdbg.gz", "/files/", "/files",
        "/files/diagrams/", "/files/diagrams", "/files/../secret.txt", "/files/%2e%2e/secret.txt",
        "/files//etc/passwd", "/files/diagrams/steps.svg", "/files/diagrams/..%2ftx.md",
        "/files/call-log/../tx.md", "/secret.txt", "/handlers.py", "/app.py", "/%2e%2e/__init__.py",
    ):  # fmt: skip
        status, _, body = await served.ask(path)
        assert status == 404, path
        assert "s3cret" not in body
        assert "root:" not in body
    assert (await served.ask("/files/tx.md", method="POST"))[0] == 405
    assert "diagrams/steps.svg" not in present(tmp_path)
    assert find(tmp_path, "tx.md") == tmp_path / "tx.md"


@pytest.mark.trio
async def test_a_socket_follows_the_cursor(served: Served) -> None:
    url = f"ws://127.0.0.1:{served.port}/follow"
    async with trio_websocket.open_websocket_url(url) as follower:
        told = json.loads(await follower.get_message())
        assert (told["machine"], told["number"], told["last"]) == ("m1", 5, 5)
        assert {"tx.md", "diagrams/machine.mmd"} <= set(told["files"])
        assert told["address"].startswith("mach://m1/")
        served.machine.add("UserBack", amount=2)
        while told["number"] != 3:
            told = json.loads(await follower.get_message())
        assert "transition 3" in (await served.ask("/files/tx.md"))[2]
        served.machine.add("SelectingClient", client="m2")
        while told["machine"] != "m2":
            told = json.loads(await follower.get_message())
        await follower.send_message("x" * 5000)  # nobody listens to it, and it may cost the socket
    assert (await served.ask("/"))[0] == 200


@pytest.mark.trio
async def test_connections_are_bounded_and_come_free_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 2)
    url = f"ws://127.0.0.1:{served.port}/follow"
    async with trio_websocket.open_websocket_url(url) as one:
        async with trio_websocket.open_websocket_url(url) as other:
            for follower in (one, other):
                await follower.get_message()
            assert (await served.ask("/"))[0] == 503
        while (await served.ask("/"))[0] == 503:  # noqa: ASYNC110 - until it has noticed
            await trio.sleep(0.01)
        assert (await served.ask("/"))[0] == 200


@pytest.mark.trio
async def test_requests_that_are_none_end_alone(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000, b"\0" * 9):
        async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(data + b"\r\n\r\n")
                answer = await stream.receive_some(100)
                assert answer.startswith(b"HTTP/1.1 400")
    monkeypatch.setattr(module, "_ASKING", 0.05)
    async with await trio.open_tcp_stream("127.0.0.1", served.port) as slow:
        assert await slow.receive_some(100) == b""
    assert (await served.ask("/", method="HEAD"))[2] == ""
    assert (await served.ask("/"))[0] == 200


@pytest.mark.trio
async def test_a_browser_that_reads_no_more_keeps_nothing_from_ending(tmp_path: Path) -> None:
    made = Served(tmp_path)
    async with running(made):
        write(tmp_path / "diagrams" / "graph.svg", "x" * (32 << 20))
        stream = await trio.open_tcp_stream("127.0.0.1", made.port)
        host = f"127.0.0.1:{made.port}"
        request = f"GET /files/diagrams/graph.svg HTTP/1.1\r\nHost: {host}\r\n\r\n"
        await stream.send_all(request.encode())
        assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 200")
        start = trio.current_time()
    assert trio.current_time() - start < 5
    await stream.aclose()


@pytest.mark.trio
async def test_switched_off_the_port_is_free_again(tmp_path: Path) -> None:
    made = Served(tmp_path)
    async with running(made):
        port = made.port
        made.machine.remove("Web")
        while made.web.url:  # noqa: ASYNC110 - as above
            await trio.sleep(0.01)
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port)
        made.machine.add("Web")
        while not made.web.url:  # noqa: ASYNC110 - as above
            await trio.sleep(0.01)
        assert (await made.ask("/"))[0] == 200


@pytest.mark.trio
async def test_a_port_that_is_taken_is_an_error_and_a_note(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        made = Served(tmp_path, taken.getsockname()[1])
        async with made.machine as machine:
            machine.add("Start", "Ready", "Web")
            with trio.fail_after(10):
                await machine.when("ErrWeb")
                await machine.when_not("Web")
        assert "is not served" in made.debugger.notes[-1]


def test_hosts_and_origins_that_are_own() -> None:
    assert is_own("127.0.0.1:80", None)
    assert is_own("127.8.9.1", "http://127.8.9.1")
    assert is_own("[::1]:80", "http://[::1]:80")
    assert is_own("LOCALHOST:1", None)
    for host in (
        "",
        ":80",
        "127.0.0.1.nip.io",
        "0.0.0.0:80",
        "evil",
        "localhost.evil:80",
        "[::]:1",
    ):
        assert not is_own(host, None)
