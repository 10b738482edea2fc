"""The diagrams pane in a real browser: it shows the diagram, and follows the cursor."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from .browser import open_page
from .debuggers import collector
from .terminal import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]
# Opens and closes a door at each line that it is told.
PROGRAM = """
import sys
import am_machine as am
from am_telemetry.dbg import DbgExporter

class DoorStates(am.States):
    Closed = am.State(auto=True, remove=["Open"])
    Unlocked = am.State()
    Open = am.State(require=[Unlocked], remove=[Closed])
    Lit = am.State(multi=True, require=[Open])

with DbgExporter(%r) as exporter:
    door = am.Machine(DoorStates, id='door <"1">')
    exporter.bind(door)
    for line in sys.stdin:
        door.add(line.strip())
        assert exporter.flush(20)
"""


@contextmanager
def door(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A program with a machine that is told what to do."""
    command = [sys.executable, "-c", PROGRAM % f"unix:{folder / 'a'}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            assert running.stdin is not None
            running.stdin.close()
            running.wait(20)


def tell(program: subprocess.Popen[str], state: str) -> None:
    assert program.stdin is not None
    program.stdin.write(f"{state}\n")
    program.stdin.flush()


async def statuses(port: int) -> list[int]:
    """What requests of strangers get, the last one being none."""
    url = f"http://127.0.0.1:{port}/"
    strange = ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {})
    found = []
    async with aiohttp.ClientSession() as session:
        for headers in strange:
            async with session.get(url, headers=headers) as answer:
                found.append(answer.status)
    return found


def test_a_browser_shows_the_diagram_and_follows_the_cursor(tmp_path: Path) -> None:
    port = free_port()

    async def main(program: subprocess.Popen[str]) -> None:
        async with open_page(tmp_path) as page:
            await page.open(f"http://127.0.0.1:{port}/")
            await page.until("document.getElementById('link').dataset.on === 'yes'")
            tell(program, "Unlocked")
            tell(program, "Open")
            await page.until("""document.title.includes('door <"1">')""")
            await page.until("document.body.dataset.shown !== undefined")
            before = await page.value("document.body.dataset.shown")
            if shutil.which("dot"):
                await page.until("document.getElementById('picture').naturalWidth > 100")
            else:
                await page.until("document.getElementById('text').textContent.includes('Unlocked')")
            await page.screenshot(tmp_path / "machine.png")
            tell(program, "Lit")
            await page.until(f"document.body.dataset.shown !== {before!r}")
            # Keys choose what is shown.
            await page.press("5", "Digit5", 53)
            await page.until("document.getElementById('text').textContent.includes('add Lit')")
            assert await page.value("document.getElementById('picture').hidden")
            await page.screenshot(tmp_path / "transition.png")
            await page.press("4", "Digit4", 52)
            await page.until("document.body.dataset.shown.startsWith('steps')")
            await page.press("1", "Digit1", 49)
            await page.until("document.body.dataset.shown.startsWith('graph')")
            await page.screenshot(tmp_path / "graph.png")
            assert await statuses(port) == [403, 403, 200]

    options = ("--web", f"127.0.0.1:{port}", "-c", "--output-diagrams", "3")
    with collector(tmp_path, *options), door(tmp_path) as program:
        asyncio.run(asyncio.wait_for(main(program), 120))
    assert (tmp_path / "machine.png").stat().st_size > 10_000
