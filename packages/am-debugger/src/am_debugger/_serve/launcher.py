"""A collector and a web server in one process; each tab is a process with a screen."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiohttp import web

from .._core.hosting import EndedEarly, hosted, on_signals
from .._errors import CannotListenError
from .tabs import TabServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .._core.hosting import Core
    from .guard import Guard

_ENDING = 6.0


@contextlib.asynccontextmanager
async def served(command: str, guard: Guard, host: str, port: int) -> AsyncIterator[str]:
    """Serve tabs, each with a process of this command; inside is its address.

    :raises CannotListenError: if the address cannot be listened at.
    """
    server = TabServer(command, guard)
    runner = web.AppRunner(
        await server.application(), access_log=None, shutdown_timeout=_ENDING, handle_signals=False
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as exc:
            raise CannotListenError(f"{host}:{port}", exc.strerror or str(exc)) from exc
        yield site.name
    finally:
        await runner.cleanup()


async def _launch(
    core: Core, command: str, guard: Guard, host: str, port: int, announce: Callable[[str], None]
) -> None:
    ended = asyncio.Event()

    def end(code: int) -> None:
        core.exit_code = code
        core.stop(code)

    on_signals(end)
    with contextlib.suppress(EndedEarly):
        async with hosted(core, ended.set), served(command, guard, host, port) as url:
            announce(url)
            await ended.wait()


def run_with_tabs(
    core: Core, command: str, guard: Guard, host: str, port: int, announce: Callable[[str], None]
) -> None:
    """Run an instance whose screens are in browsers; what came of it is its `exit_code`.

    :param command: What shows a screen: it runs in a shell, once per tab.
    :param announce: Told the address that browsers go to.
    :raises CannotListenError: if an address cannot be listened at.
    :raises DumpError: if a dump is none.
    """
    asyncio.run(_launch(core, command, guard, host, port, announce))
