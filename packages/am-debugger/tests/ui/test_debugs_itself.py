"""A debugger that looks at itself: all that it does is there, and looking makes nothing new."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from am_debugger._cli.options import parse
from am_debugger._cli.run import Instance
from am_debugger._ui.keys import KEYS
from am_debugger._ui.launcher import running

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._store.client import Client

_QUIET = 15


async def until_quiet(pilot: Pilot[int], client: Client) -> int:
    """The number of its last transition, once no more came for a second and a half."""
    known, quiet = client.last, 0
    for _ in range(300):
        await pilot.pause(0.1)
        quiet = quiet + 1 if client.last == known else 0
        known = client.last
        if quiet == _QUIET:
            return known
    raise AssertionError(f"it does not come to rest: {known} transitions")


def test_a_whole_session_is_there_and_does_not_feed_itself(tmp_path: Path) -> None:
    where = f"unix:{tmp_path / 's'}"
    argv = ["-l", where, "-d", str(tmp_path), "--dbg-addr", where]
    instance = Instance(parse(argv, {"XDG_CONFIG_HOME": "/nowhere"}))
    store = instance.debugger.session.store

    async def main() -> None:
        async with running(instance) as app, app.run_test(size=(160, 48)) as pilot:
            while not store.named("am-dbg"):
                await pilot.pause(0.05)
            (client,) = store.named("am-dbg")
            first = await until_quiet(pilot, client)
            await pilot.press("enter")
            for key in KEYS:
                if key.action != "quit":
                    await pilot.press(key.keys[0])
            await pilot.press("escape")
            last = await until_quiet(pilot, client)
            assert first < last
            seen = set()
            for number in range(client.first, client.last + 1):
                called = instance.debugger.session.parser.parse(client, number).tx.called
                seen |= {client.version.names[index] for index in called}
            assert {"SelectingClient", "UserBack", "FocusNext", "ExportDialog"} <= seen
            await pilot.press("end")
            assert await until_quiet(pilot, client) - last < 20

    asyncio.run(asyncio.wait_for(main(), 90))
