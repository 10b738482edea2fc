# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "starlette>=1", "uvicorn>=0.34"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""A web application on asyncio that owns a machine: a request adds a state and awaits another."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

PATIENCE = 5.0  # seconds that a request waits for its loaf


class BakeryStates(am.States):
    """Orders come in while the bakery is open, and are baked one at a time."""

    Open = am.State()
    Ordered = am.State(multi=True, require=[Open])
    Baking = am.State(require=[Open])
    Baked = am.State(multi=True, require=[Open])


class Bakery:
    """One oven: an order that comes while it is in use is refused."""

    def __init__(self) -> None:
        self.loaves = 0

    def OrderedEnter(self, event: am.Event) -> bool:
        """A vote: the oven has to be free."""
        return "Baking" not in event.machine

    def OrderedState(self, event: am.Event) -> None:
        """Light the oven."""
        event.add("Baking")

    async def BakingState(self, event: am.Event) -> None:
        """A task of trio, in a program of asyncio."""
        await trio.sleep(0.05)
        self.loaves += 1
        event.remove("Baking")
        event.add("Baked")


def application(mach: am.Machine) -> Starlette:
    """The routes, and a lifespan that opens the machine and disposes it."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[dict[str, object], None]:
        async with amh.guest.open_host() as host, host.open(mach):
            amh.debug_env(mach)
            mach.add("Open")
            yield {"host": host}

    async def order(request: Request) -> PlainTextResponse:
        baked = mach.when_next_active("Baked")  # listens before anything can happen
        if not mach.add("Ordered"):
            return PlainTextResponse("the oven is in use", status_code=503)
        host: amh.guest.Host = request.state.host
        await host.wait(baked, timeout=PATIENCE)
        return PlainTextResponse("a loaf")

    async def state(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(mach))

    routes = [Route("/order", order, methods=["POST"]), Route("/state", state)]
    return Starlette(routes=routes, lifespan=lifespan)


def ask(port: int, path: str, method: str = "GET") -> str:
    """What the server answers; it is on this host, so no proxy is asked."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


async def story() -> am.Machine:
    """Serve, order twice, and shut down as uvicorn does on Ctrl+C."""
    bakery = Bakery()
    mach = am.Machine(BakeryStates, handlers=bakery, id="bakery")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(application(mach), log_level="critical"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        for _ in range(2):
            print("POST /order:", await asyncio.to_thread(ask, port, "/order", "POST"))
        print("GET /state:", await asyncio.to_thread(ask, port, "/state"))
        server.should_exit = True
        await serving
    print("loaves:", bakery.loaves, "disposed:", mach.disposed)
    return mach


def main() -> None:
    """Run the story under asyncio."""
    asyncio.run(story())


if __name__ == "__main__":
    main()
