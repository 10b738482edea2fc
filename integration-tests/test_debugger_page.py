"""The page of `am-dbg export-html` in a real browser, from disk: with scripts, and without."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

import am_machine as am
from am_telemetry.dbg import DbgWriter

from .browser import open_page
from .debuggers import AM_DBG, environ_for

if TYPE_CHECKING:
    from pathlib import Path

    from .browser import Page

pytestmark = [pytest.mark.process, pytest.mark.slow]
EVIL = '<script>document.title = "taken"</script><img src=x onerror="document.title=1">'
COUNT = 40
_RIGHT = ("ArrowRight", "ArrowRight", 39)


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    """The page of transition 20 of a machine whose names and logs would like to be HTML."""
    machine = am.Machine({"Start": {}, "Work": {"require": ["Start"]}}, id=EVIL, tags=[EVIL])
    machine.log_args = am.LogArgs("text", max_len=300)
    with DbgWriter(str(tmp_path / "run.amdbg.gz")) as writer:
        writer.bind(machine)
        machine.add("Start")
        for k in range(COUNT):
            change = machine.remove if k % 2 else machine.add
            change("Work", text=f"line {k} {EVIL}")
    url = f"mach://{quote(EVIL, safe='')}?t=20&state=Work"
    command = [*AM_DBG, "export-html", "run.amdbg.gz", url, "-o", "page.html"]
    subprocess.run(command, cwd=tmp_path, env=environ_for(tmp_path), check=True, timeout=60)
    return tmp_path / "page.html"


async def shown(page: Page, file: Path, width: int, *, scripts: bool) -> None:
    """Open a page as on a screen of that width."""
    await page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    await page.call("Emulation.setScriptExecutionDisabled", value=not scripts)
    await page.call("Network.enable")
    await page.open(file.as_uri())
    # The protocol may ask, whatever the page's own scripts may do.
    await page.until("document.querySelectorAll('#log li').length >= 40")


NO_SCROLL = "document.documentElement.scrollWidth <= innerWidth"


@pytest.mark.parametrize("width", [360, 1440])
def test_with_scripts_it_steps_folds_and_filters(page_file: Path, width: int) -> None:
    async def main() -> None:
        async with open_page(page_file.parent) as page:
            await shown(page, page_file, width, scripts=True)
            number = "document.getElementById('number').textContent"
            tick = (
                "[...document.querySelectorAll('#states > li')].find((li) =>"
                "li.querySelector('.name').textContent === 'Work')"
                ".querySelector('.tick').textContent"
            )
            assert await page.value(number) == "20"
            assert await page.value(tick) == "19"
            assert await page.value(NO_SCROLL)
            await page.press(*_RIGHT)
            assert await page.value(number) == "21"
            assert await page.value(tick) == "20"
            await page.value("document.querySelector('#log li[data-frame=\"0\"]').click()")
            assert await page.value(number) == "start"
            assert await page.value(tick) == "0"
            assert await page.value("document.getElementById('back').disabled")
            await page.value("document.getElementById('home').click()")
            assert await page.value(number) == "20"
            await page.value("words.value = 'line 7 '; words.dispatchEvent(new Event('input'))")
            lines = "[...document.querySelectorAll('#log li')].filter((li) => !li.hidden).length"
            assert await page.value(lines) == 1
            await page.value("document.getElementById('close').click()")
            assert await page.value("document.querySelectorAll('main details[open]').length") == 0
            await page.screenshot(page_file.parent / "with.png")
            await inert(page)

    asyncio.run(asyncio.wait_for(main(), 90))


@pytest.mark.parametrize("width", [360, 1440])
def test_without_scripts_the_still_picture_is_whole(page_file: Path, width: int) -> None:
    async def main() -> None:
        async with open_page(page_file.parent) as page:
            await shown(page, page_file, width, scripts=False)
            assert await page.value(NO_SCROLL)
            seen = await page.value("document.body.innerText")
            for words in ("Work is active since transition 20", "line 18", "Start", "Machine time"):
                assert words in seen
            for name in ("bar", "filter"):  # what scripts alone can do
                assert await page.value(f"document.getElementById('{name}').offsetHeight") == 0
            drawn = "document.querySelector('svg.relations').getBoundingClientRect().height"
            assert await page.value(drawn) > 50
            await page.screenshot(page_file.parent / "without.png")
            await inert(page)

    asyncio.run(asyncio.wait_for(main(), 90))


async def inert(page: Page) -> None:
    """What would like to be HTML is text; nothing was asked of a network."""
    assert EVIL in await page.value("document.querySelector('h1').textContent")
    log = await page.value("document.getElementById('log').textContent")
    assert "line 18 <script>doc…" in log
    assert EVIL in await page.value("document.getElementById('facts').textContent")
    assert "am-dbg" in await page.value("document.title")
    own = "[...document.scripts].filter((one) => one.closest('main, header')).length"
    assert await page.value(own) == 0
    asked = "performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('data:'))"
    assert await page.value(f"{asked}.length") == 0
    assert await page.value("fetch('file:///').then(() => 'let through', () => 'refused')") == (
        "refused"
    )
