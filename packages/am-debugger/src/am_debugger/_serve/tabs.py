"""The web server: textual-serve, behind a guard."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING

from aiohttp import web
from textual_serve.server import Server

from .guard import SECURITY_HEADERS, Guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MOST_TABS = 32
"""Tabs at once; each is a process."""
_ENDING = 5.0
_asked: ContextVar[str] = ContextVar("asked")


class TabServer(Server):
    """Serves a command with a screen, once per tab."""

    def __init__(self, command: str, guard: Guard) -> None:
        self._guard = guard
        self._tabs: set[asyncio.Task[object]] = set()
        super().__init__(command, title="am-dbg", public_url=guard.public_url)

    @property
    def public_url(self) -> str:
        """By what whoever asks now reaches this server."""
        return self._guard.public_url or f"http://{_asked.get()}"

    @public_url.setter
    def public_url(self, url: str) -> None:
        """It follows from the request."""

    async def application(self) -> web.Application:
        """The application, which answers nobody past the guard."""
        app = await self._make_app()
        app.middlewares.append(self._checked)
        app.on_response_prepare.append(_add_headers)
        return app

    @web.middleware
    async def _checked(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        fault = self._guard.fault(request.headers)
        if fault is not None:
            raise web.HTTPForbidden(text=f"refused: {fault}\n")
        _asked.set(request.host)
        return await handler(request)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """One tab, from its opening to its end."""
        if len(self._tabs) >= MOST_TABS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_TABS} tabs are open already\n")
        task = asyncio.current_task()
        assert task is not None
        self._tabs.add(task)
        try:
            return await super().handle_websocket(request)
        finally:
            self._tabs.discard(task)

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing: the instance says where it is."""

    async def on_shutdown(self, app: web.Application) -> None:
        """End all tabs with their processes."""
        for task in self._tabs:
            task.cancel()
        if self._tabs:
            await asyncio.wait(self._tabs, timeout=_ENDING)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
