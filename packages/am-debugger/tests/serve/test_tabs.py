"""The web server around textual-serve: its hooks are there, and nothing goes past the guard."""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING

from aiohttp.test_utils import TestClient, TestServer

from am_debugger._cli.options import parse
from am_debugger._cli.tabs import tab_command
from am_debugger._serve.guard import Guard
from am_debugger._serve.tabs import TabServer
from am_telemetry import dbg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


Client = TestClient["web.Request", "web.Application"]
NOWHERE = {"XDG_CONFIG_HOME": "/nowhere"}


def ask(guard: Guard, body: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        app = await TabServer("false", guard).application()
        async with TestClient(TestServer(app)) as client:
            await body(client)

    asyncio.run(main())


def test_every_path_of_the_server_is_guarded() -> None:
    async def body(client: Client) -> None:
        assert client.app is not None
        paths = {resource.canonical for resource in client.app.router.resources()}
        # What the pinned releases of textual-serve offer: another one has to be looked at.
        assert paths == {"/", "/ws", "/download/{key}", "/static"}
        for path in (*paths, "/nothing"):
            for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
                answer = await client.get(path, headers=headers)
                assert answer.status == 403, path

    ask(Guard(is_loopback=True), body)


def test_the_page_speaks_to_where_it_came_from_and_to_nobody_else() -> None:
    async def body(client: Client) -> None:
        answer = await client.get("/")
        assert answer.status == 200
        host = f"{client.host}:{client.port}"
        assert f'"ws://{host}/ws"' in await answer.text()
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'")
        assert "frame-ancestors 'none'" in policy

    ask(Guard(is_loopback=True), body)


def test_behind_a_proxy_the_page_speaks_to_the_proxy() -> None:
    async def body(client: Client) -> None:
        answer = await client.get("/", headers={"Host": "debugger.example"})
        assert '"wss://debugger.example/ws"' in await answer.text()

    ask(Guard(is_loopback=True, public_url="https://debugger.example"), body)


def test_a_tab_is_an_instance_that_views_the_collector() -> None:
    argv = ["--serve", "127.0.0.1:1", "--secret-env", "S", "--theme=light", "--no-mouse"]
    server = parse([*argv, "--max-mem=5", "mach://worker%20'1'"], NOWHERE)
    command = tab_command(server, dbg.parse_address("unix:/a b"))
    words = shlex.split(command)
    tab = parse(words[words.index("am_debugger") + 1 :], {"AM_DBGUI_THEME": "dark", **NOWHERE})
    assert (str(tab.view_from), tab.peer_secret_env) == ("unix:/a b", "S")
    assert (tab.theme, tab.mouse, tab.max_mem, tab.url) == ("light", False, 5, server.url)
    assert tab.serve is None


def test_a_tab_of_another_collector_gets_the_secret_for_that_one() -> None:
    argv = ["--serve=127.0.0.1:1", "--from=127.0.0.1:2", "--peer-secret-env=P", "--tls-ca=/ca.pem"]
    server = parse(argv, NOWHERE)
    words = shlex.split(tab_command(server, server.view_from))
    tab = parse(words[words.index("am_debugger") + 1 :], NOWHERE)
    assert (str(tab.view_from), tab.peer_secret_env) == ("127.0.0.1:2", "P")
    assert str(tab.tls_ca) == "/ca.pem"
