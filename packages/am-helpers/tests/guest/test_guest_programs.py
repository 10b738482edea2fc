"""Machines under uvicorn, textual, a Jupyter kernel and pytest-asyncio, all of them real."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ("pytester",)
pytestmark = pytest.mark.slow

INSTALLED = any(point.name == "am" for point in entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "am_helpers_pytest")


# --------------------------------------------------------------------------- uvicorn

SERVER = """
import sys
from contextlib import asynccontextmanager, suppress

import trio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import am_helpers as amh
import am_machine as am


class Handlers:
    async def StartState(self, event):
        event.machine.add("Ready")
        try:
            await trio.sleep_forever()
        finally:
            print("machine cleaned up", flush=True)

    async def WorkState(self, event):
        await trio.sleep(event.args["seconds"])
        event.machine.add("Done")


machine = am.Machine(
    {"Start": {}, "Ready": {}, "Work": {"multi": True}, "Done": {"multi": True}},
    handlers=Handlers(),
)


@asynccontextmanager
async def lifespan(app):
    async with amh.guest.open_host() as host, host.open(machine):
        machine.add("Start")
        await host.wait(machine.when("Ready"), timeout=5)
        yield {"host": host}
    print("disposed", machine.disposed, flush=True)


async def work(request):
    host = request.state.host
    done = machine.when_next_active("Done")
    machine.add("Work", seconds=float(request.query_params["seconds"]))
    print("request began", flush=True)
    try:
        await host.wait(done, timeout=30)
    finally:
        print("request over", flush=True)
    return PlainTextResponse(str(machine.tick("Done")))


async def forever():
    try:
        print("forever began", flush=True)
        await trio.sleep_forever()
    finally:
        print("forever cleaned up", flush=True)


async def hang(request):
    await request.state.host.run(forever)


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print("port", self.servers[0].sockets[0].getsockname()[1], flush=True)


app = Starlette(routes=[Route("/work", work), Route("/hang", hang)], lifespan=lifespan)
config = uvicorn.Config(
    app, port=0, log_level="warning", timeout_graceful_shutdown=float(sys.argv[1])
)
with suppress(KeyboardInterrupt):  # which uvicorn raises again once it has ended well
    Server(config).run()
"""


class Served:
    """A server in a process of its own."""

    def __init__(self, grace: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(grace)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.line().removeprefix("port "))

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, self.process.communicate()[1]
        return line

    def stop(self) -> tuple[str, str]:
        """Press Ctrl+C, as it were; what was printed until the end."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=30)


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Callable[[float], Served]:
    pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")

    def start(grace: float) -> Served:
        served = Served(grace)
        request.addfinalizer(served.process.kill)
        return served

    return start


async def get(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return (await reader.read()).decode()
    finally:
        writer.close()


def test_requests_in_flight_are_answered_before_uvicorn_ends(
    serve: Callable[[float], Served],
) -> None:
    served = serve(20)

    async def main() -> tuple[list[str], tuple[str, str]]:
        requests = [asyncio.create_task(get(served.port, "/work?seconds=0.5")) for _ in range(8)]
        for _ in requests:
            assert await asyncio.to_thread(served.line) == "request began"
        printed = await asyncio.to_thread(served.stop)
        return await asyncio.gather(*requests), printed

    answers, (out, err) = asyncio.run(main())
    assert all(" 200 OK" in answer for answer in answers), answers
    assert out.splitlines() == [*["request over"] * 8, "machine cleaned up", "disposed True"]
    assert "Traceback" not in err
    assert "abandoned" not in err  # as trio says when it is left half done
    assert served.process.returncode == 0


def test_what_outlasts_uvicorn_s_patience_is_cancelled_and_cleaned_up(
    serve: Callable[[float], Served],
) -> None:
    served = serve(0.2)

    async def main() -> tuple[str, str]:
        request = asyncio.create_task(get(served.port, "/hang"))
        assert await asyncio.to_thread(served.line) == "forever began"
        printed = await asyncio.to_thread(served.stop)
        await request
        return printed

    out, err = asyncio.run(main())
    assert out.splitlines() == ["forever cleaned up", "machine cleaned up", "disposed True"]
    assert "never awaited" not in err
    assert "abandoned" not in err


# --------------------------------------------------------------------------- textual


def test_a_textual_app_shows_what_its_machine_does(run_asyncio: Any) -> None:
    textual = pytest.importorskip("textual.app")
    from textual.widgets import Input, Static

    class Handlers:
        async def SearchState(self, event: am.Event) -> None:
            await trio.sleep(0.01)
            event.machine.add("Found", text=f"found {event.args['text']}")

        def FoundState(self, event: am.Event) -> None:
            app.query_one(Static).update(event.args["text"])  # one thread: a plain call

    class Search(textual.App):  # type: ignore[misc, name-defined]
        def compose(self) -> Any:
            yield Input()
            yield Static("nothing yet")

        async def on_input_submitted(self, event: Input.Submitted) -> None:
            found = machine.when_next_active("Found")
            machine.add("Search", text=event.value)
            await host.wait(found, timeout=5)
            self.exit(event.value)

    machine = am.Machine({"Search": {"multi": True}, "Found": {"multi": True}}, handlers=Handlers())

    async def main() -> None:
        nonlocal app, host
        async with amh.guest.open_host() as host, host.open(machine):
            app = Search()
            async with app.run_test() as pilot:
                await pilot.press("f", "o", "o", "enter")
                await pilot.pause()
                assert str(app.query_one(Static).content) == "found foo"
            assert app.return_value == "foo"

    app: Any = None
    host: Any = None
    run_asyncio(main)


# --------------------------------------------------------------------------- a kernel

OPEN = """
import am_machine as am, trio

class Handlers:
    async def StartState(self, event):
        event.machine.add("Ready")
        try:
            await trio.sleep_forever()
        finally:
            with open("told", "a") as file:
                file.write("cleaned up")

machine = am.Machine({"Start": {}, "Ready": {}}, handlers=Handlers())
opened = am_host.open(machine)
await opened.__aenter__()
machine.add("Start")
await am_host.wait(machine.when("Ready"), timeout=5)
"""


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Cells to a kernel that runs in a folder of its own."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    cells = nbformat.v4.new_notebook()
    resources = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(cells, timeout=30, kernel_name="python3", resources=resources)

    async def say(code: str) -> Any:
        cells.cells.append(nbformat.v4.new_code_cell(code))
        cell = await client.async_execute_cell(cells.cells[-1], len(cells.cells) - 1)
        return [output.get("data", {}).get("text/plain", output) for output in cell.outputs]

    client.say = say
    return client


@pytest.mark.filterwarnings("ignore")  # what a kernel's client warns of is not ours
def test_a_notebook_has_machines_after_load_ext_and_cleans_up_when_its_kernel_closes(
    notebook: Any, tmp_path: Path
) -> None:
    async def main() -> None:
        async with notebook.async_setup_kernel():
            # In one cell: nothing of trio has run when the second line comes.
            lines = (
                "%load_ext am_helpers\n(am_host._run.nursery, await am_host.run(trio_sum, 1, 2))"
            )
            define = "async def trio_sum(a, b):\n    import trio\n    await trio.sleep(0)\n"
            assert await notebook.say(define + "    return a + b") == []
            assert await notebook.say(lines) == ["(None, 3)"]
            assert await notebook.say(OPEN) == ["True"]
            assert await notebook.say("str(machine)") == ["'(Start:1 Ready:1)'"]
            assert not (tmp_path / "told").exists()

    asyncio.run(main())
    assert (tmp_path / "told").read_text() == "cleaned up"


@pytest.mark.filterwarnings("ignore")
def test_a_cell_that_is_cancelled_cancels_in_trio_and_the_next_cell_works(
    notebook: Any,
) -> None:
    async def main() -> None:
        async with notebook.async_setup_kernel():
            assert await notebook.say("import asyncio, trio\n%load_ext am_helpers") == []
            waiting = """
try:
    async with asyncio.timeout(0.01):
        await am_host.run(trio.sleep_forever)
except TimeoutError:
    caught = True
caught
"""
            assert await notebook.say(waiting) == ["True"]
            assert await notebook.say("await am_host.run(trio.sleep, 0)") == []
            assert await notebook.say("%unload_ext am_helpers\n'am_host' in dir()") == ["False"]
            assert await notebook.say("%load_ext am_helpers\nam_host.closed") == ["False"]

    asyncio.run(main())


WAITING = """
open("began", "w").close()
await am_host.wait(machine.when("Never"))
"""
SPINNING = """
open("began", "w").close()
while True:
    machine.toggle("Spun")
"""


@pytest.mark.parametrize(
    ("cell", "ends"),
    [(WAITING, "CancelledError"), (SPINNING, "KeyboardInterrupt")],
    ids=["that awaits", "that computes"],
)
@pytest.mark.filterwarnings("ignore")
def test_an_interrupt_ends_its_cell_alone(
    notebook: Any, tmp_path: Path, cell: str, ends: str
) -> None:
    began = tmp_path / "began"
    os.mkfifo(began)

    async def interrupt() -> None:
        await asyncio.to_thread(began.read_bytes)  # until the cell opens it, too
        await notebook.km.interrupt_kernel()

    async def main() -> None:
        async with notebook.async_setup_kernel():
            opening = OPEN.replace('"Ready": {}}', '"Ready": {}, "Never": {}, "Spun": {}}')
            assert await notebook.say("%load_ext am_helpers") == []
            assert await notebook.say(opening) == ["True"]
            interrupting = asyncio.create_task(interrupt())
            notebook.allow_errors = True
            outputs = await notebook.say(cell)
            errors = [one["ename"] for one in outputs if one["output_type"] == "error"]
            assert errors == [ends], outputs
            await interrupting
            notebook.allow_errors = False
            # The host, the machine and its tasks live on, and nothing is half done.
            alive = "am_host.closed, machine.disposed, machine.err, machine.is_('Start', 'Ready')"
            assert await notebook.say(alive) == ["(False, False, None, True)"]
            after = "machine.add('Never')\nawait am_host.wait(machine.when('Never'))"
            assert await notebook.say(after) == ["True"]
            assert not (tmp_path / "told").exists()

    asyncio.run(main())
    assert (tmp_path / "told").read_text() == "cleaned up"


# --------------------------------------------------------------------------- pytest-asyncio


def test_pytest_asyncio_has_a_fixture_for_the_host(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(
        """
import am_machine as am
import pytest
import trio

pytestmark = pytest.mark.asyncio


class Handlers:
    async def StartState(self, event):
        await trio.sleep(0)
        event.machine.add("Ready")


async def test_a_machine_runs(am_host):
    machine = am.Machine({"Start": {}, "Ready": {}}, handlers=Handlers())
    async with am_host.open(machine):
        machine.add("Start")
        assert await am_host.wait(machine.when("Ready"), timeout=5)


async def test_the_next_test_has_a_host_of_its_own(am_host):
    await am_host.run(trio.sleep, 0)
"""
    )
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *PLUGIN],
        cwd=pytester.path, env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout + done.stderr
