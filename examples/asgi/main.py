# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc", "hypercorn[trio]>=0.17", "starlette>=1"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""A machine behind an ASGI application on trio: mutations by POST, changes as an event stream."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from hypercorn.config import Config
from hypercorn.trio import serve  # pyright: ignore[reportUnknownVariableType] - WSGI alone
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

import am_helpers as amh
import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from http.client import HTTPResponse

    from starlette.requests import Request

PATIENCE = 5.0  # seconds that an answer may take


class LampStates(am_rpc.StateSource):
    """A lamp, somewhere."""

    Power = am.State()
    On = am.State(require=[Power])
    Dimmed = am.State(require=[On])
    Broken = am.State(remove=[On])


class Lamp:
    """What the lamp has to say about it."""

    def OnEnter(self, event: am.Event) -> bool:
        """A vote: a broken lamp stays dark."""
        return "Broken" not in event.machine


async def moved(net: am.MachineApi, told: int) -> None:
    """Wait until the sum of the clocks is above what was told."""
    await net.when_query(lambda clock: sum(clock.values()) > told)


def application(net: am.MachineApi) -> Starlette:
    """The routes. Of the machine they know what any machine offers: it may be a replica."""

    def clocks() -> dict[str, int]:
        return {state: tick for state, tick in net.clock().items() if tick}

    async def mutate(request: Request) -> JSONResponse:
        change = net.add if request.path_params["kind"] == "add" else net.remove
        try:
            result = await change(request.path_params["state"])
        except am.UnknownStateError as error:
            return JSONResponse({"error": f"no state {error.state}"}, status_code=404)
        status = 409 if result is am.CANCELED else 200
        return JSONResponse({"result": str(result), "active": net.active}, status_code=status)

    async def state(request: Request) -> JSONResponse:
        return JSONResponse(clocks())

    async def changes() -> AsyncGenerator[str, None]:
        while True:
            told = sum(net.time())
            yield f"data: {json.dumps(clocks())}\n\n"
            await moved(net, told)

    async def events(request: Request) -> StreamingResponse:
        return StreamingResponse(changes(), media_type="text/event-stream")

    routes = [
        Route("/{kind:str}/{state:str}", mutate, methods=["POST"]),
        Route("/state", state),
        Route("/events", events),
    ]
    return Starlette(routes=routes)


@asynccontextmanager
async def serving(net: am.MachineApi) -> AsyncGenerator[str, None]:
    """Serve by hypercorn on a free port of this host; yields the address."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        app: Any = application(net)  # hypercorn has types of its own for what ASGI is
        run = partial(serve, app, config, shutdown_trigger=stop.wait)
        (address,) = await nursery.start(run)
        try:
            yield address
        finally:
            stop.set()


def opened(address: str, path: str, method: str = "GET") -> HTTPResponse:
    """The answer of the server; it is on this host, so no proxy is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"{address}{path}", method=method)
    answer: HTTPResponse = opener.open(request, timeout=PATIENCE)
    return answer


def ask(address: str, path: str, method: str = "GET") -> str:
    """Status and text of an answer."""
    try:
        with opened(address, path, method) as answer:
            return f"{answer.status} {answer.read().decode()}"
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.read().decode()}"


async def story() -> am.Machine:
    """The lamp is in one place, the web server in another; a browser could be in a third."""
    async with (
        am.Machine(LampStates, id="lamp", handlers=Lamp()) as lamp,
        am_rpc.Mux(lamp, "127.0.0.1:0", push_interval=0) as mux,
        am_rpc.connect(mux.addr, LampStates) as net,
        serving(net) as address,
    ):
        amh.debug_env(lamp)
        amh.debug_env(net)
        in_thread = trio.to_thread.run_sync
        with await in_thread(opened, address, "/events") as stream:

            async def told() -> str:
                line = await in_thread(stream.readline)
                await in_thread(stream.readline)
                return str(line.decode().strip())

            print("an event:", await told())
            for state in ("On", "Power", "On"):
                print(f"POST /add/{state}:", await in_thread(ask, address, f"/add/{state}", "POST"))
            for _ in range(2):
                print("an event:", await told())
            lamp.add("Broken")
            print("an event:", await told())
        for path in ("/add/On", "/remove/Power", "/add/Of"):
            print(f"POST {path}:", await in_thread(ask, address, path, "POST"))
        print("GET /state:", await in_thread(ask, address, "/state"))
    return lamp


def main() -> None:
    """Run the story on trio."""
    trio.run(story)


if __name__ == "__main__":
    main()
