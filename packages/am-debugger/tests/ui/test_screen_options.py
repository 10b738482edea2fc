"""Options that only the screen knows: theme, mouse, clipboard."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from textual.app import App

from am_debugger._cli.options import parse
from am_debugger._cli.run import Instance
from am_debugger._ui import launcher
from am_debugger._ui.launcher import running

if TYPE_CHECKING:
    from pathlib import Path


def instance(folder: Path, *argv: str) -> Instance:
    where = ["-l", f"unix:{folder / 's'}", "-d", str(folder)]
    return Instance(parse([*where, *argv], {"XDG_CONFIG_HOME": "/nowhere"}))


def opened(folder: Path, *argv: str) -> tuple[bool, str]:
    """Whether the theme is a dark one, and what was written into the clipboard."""

    async def main() -> tuple[bool, str]:
        async with running(instance(folder, *argv)) as app, app.run_test():
            app.copy_to_clipboard("mach://x")
            return app.current_theme.dark, app.clipboard

    return asyncio.run(asyncio.wait_for(main(), 60))


def test_colors_are_for_a_dark_or_a_light_terminal(tmp_path: Path) -> None:
    assert opened(tmp_path) == (True, "mach://x")
    assert opened(tmp_path, "--theme", "light") == (False, "mach://x")


def test_nothing_is_written_into_the_clipboard_if_not_wanted(tmp_path: Path) -> None:
    assert opened(tmp_path, "--no-clipboard") == (True, "")


@pytest.mark.parametrize(("argv", "wanted"), [((), True), (("--no-mouse",), False)])
def test_the_mouse_is_left_to_the_terminal_if_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...], wanted: bool
) -> None:
    seen = []

    async def run_async(app: App[int], *, mouse: bool) -> None:
        seen.append(mouse)

    monkeypatch.setattr(App, "run_async", run_async)
    launcher.run_with_screen(instance(tmp_path, *argv))
    assert seen == [wanted]


def test_threads_that_read_keys_and_write_the_screen_wait_shortly_for_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, before = [], sys.getswitchinterval()

    async def run_async(app: App[int], *, mouse: bool) -> None:
        seen.append(sys.getswitchinterval())

    monkeypatch.setattr(App, "run_async", run_async)
    launcher.run_with_screen(instance(tmp_path))
    assert seen == [pytest.approx(launcher.SWITCH_INTERVAL)]
    assert sys.getswitchinterval() == pytest.approx(before)
