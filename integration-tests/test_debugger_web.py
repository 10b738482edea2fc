"""`am-dbg --serve` in a real browser: a tab shows the screen, keys work, strangers are refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from .browser import open_page
from .debuggers import AM_DBG, environ_for, export
from .terminal import assert_free, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]
_CTRL = 2


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """A collector at a socket in a folder whose screens are in browsers."""
    argv = ["--serve", f"127.0.0.1:{port}", "-l", f"unix:{folder / 'a'}", "-d", str(folder)]
    environ = {**environ_for(folder), "AM_DBGUI_THEME": "dark", "TMPDIR": str(folder)}
    with subprocess.Popen([*AM_DBG, *argv], env=environ, stderr=subprocess.PIPE, text=True) as made:
        assert made.stderr is not None
        try:
            told = made.stderr.readline()
            assert f"browsers: http://127.0.0.1:{port}" in told, told
            yield made
        finally:
            if made.poll() is None:
                made.terminate()
                made.wait(20)


def tabs_of(pid: int) -> list[int]:
    """Processes of tabs."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(one) for one in found.stdout.split()]


def wait_until_gone(pids: list[int], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while any(os.path.exists(f"/proc/{pid}/exe") for pid in pids):
        assert time.monotonic() < deadline, f"{pids} still run"
        time.sleep(0.1)  # processes of others, whose end nobody announces


def test_a_tab_shows_the_screen_and_takes_keys(tmp_path: Path) -> None:
    port = free_port()

    async def main(pid: int) -> None:
        async with open_page(tmp_path) as page:
            await page.open(f"http://127.0.0.1:{port}/")
            await page.until("received.includes('worker')")
            (tab,) = tabs_of(pid)
            await page.value("document.querySelector('.xterm textarea').focus()")
            await page.press("Enter", "Enter", 13)
            await page.until("received.includes('41 / 41')")
            await page.press("ArrowLeft", "ArrowLeft", 37)
            await page.until("received.includes('40 / 41')")
            assert await page.value("document.querySelector('.xterm canvas, .xterm-rows') !== null")
            await page.screenshot(tmp_path / "tab.png")
            assert not await page.value("received.includes('[closed]')")
            await page.press("q", "KeyQ", 81, _CTRL)
            await page.until("received.includes('[closed]')")
            wait_until_gone([tab])
        assert (tmp_path / "tab.png").stat().st_size > 20_000

    with serving(tmp_path, port) as running:
        export(tmp_path, 20)
        asyncio.run(asyncio.wait_for(main(running.pid), 90))
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0
        assert running.stderr is not None
        assert running.stderr.read().startswith("am-dbg: 1 machines, 41 transitions, ")
    assert_free(port)
    assert not list(tmp_path.glob("am-dbg-*"))  # the private socket and its folder


async def status(port: int, path: str = "/", **headers: str) -> int:
    """The status of an answer."""
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status


def test_strangers_are_refused_and_open_no_tab(tmp_path: Path) -> None:
    port = free_port()

    async def main() -> None:
        own = f"127.0.0.1:{port}"
        assert await status(port) == 200
        assert await status(port, Origin=f"http://{own}") == 200
        for path in ("/", "/ws", "/static/js/textual.js"):
            assert await status(port, path, Host="debugger.example") == 403
            assert await status(port, path, Origin="http://debugger.example") == 403
            assert await status(port, path, Origin="null") == 403
            assert await status(port, path, Origin=f"http://127.0.0.1:{port + 1}") == 403

    with serving(tmp_path, port) as running:
        asyncio.run(main())
        assert tabs_of(running.pid) == []


def test_tabs_end_with_their_server_however_that_ends(tmp_path: Path) -> None:
    async def main(port: int, running: subprocess.Popen[str], number: int) -> None:
        url = f"http://127.0.0.1:{port}/ws?width=100&height=40"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            shown = b""
            while b"choose a machine" not in shown:
                shown += await socket.receive_bytes(timeout=40)
            tabs = tabs_of(running.pid)
            assert len(tabs) == 1
            running.send_signal(number)
            await asyncio.to_thread(wait_until_gone, tabs)

    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        port = free_port()
        with serving(tmp_path, port) as running:
            asyncio.run(asyncio.wait_for(main(port, running, number), 90))
            assert running.wait(20) == code
        (tmp_path / "a").unlink(missing_ok=True)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['textual_serve'] = None\n"
        "from am_debugger._cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "--serve", "127.0.0.1:1", "-l", f"unix:{tmp_path / 'a'}"]
    done = subprocess.run(
        command, env=environ_for(tmp_path), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "python -m pip install 'am-debugger[web]'" in done.stderr
