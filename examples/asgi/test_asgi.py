"""The example tells the story of its README; streams end with those who read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import am_machine as am
from examples.asgi.main import LampStates, application, opened, serving, story

if TYPE_CHECKING:
    from collections.abc import MutableMapping

pytestmark = pytest.mark.trio


async def test_the_story_is_the_one_of_the_readme(
    capsys: pytest.CaptureFixture[str], told: str
) -> None:
    with trio.fail_after(30):
        lamp = await story()
    assert capsys.readouterr().out == told
    assert lamp.err is None


class Reader:
    """A client that reads an event stream, and leaves when it likes."""

    def __init__(self) -> None:
        self.heard: list[dict[str, int]] = []
        self.left = trio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        """Nothing comes from a reader but its end."""
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Note what was told."""
        text = message.get("body", b"").decode()
        if text:
            self.heard.append(json.loads(text.removeprefix("data: ")))


SCOPE: dict[str, Any] = {
    "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
    "method": "GET", "scheme": "http", "path": "/events", "raw_path": b"/events",
    "query_string": b"", "root_path": "", "headers": [],
}  # fmt: skip


async def test_each_change_is_an_event_and_nobody_waits_for_a_reader_that_left() -> None:
    async with am.Machine(LampStates) as lamp:
        reader = Reader()
        app = application(lamp)
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(app, dict(SCOPE), reader.receive, reader.send)
                for state in ("Power", "On", "Broken"):
                    await trio.testing.wait_all_tasks_blocked()
                    lamp.add(state)
                await trio.testing.wait_all_tasks_blocked()
                assert reader.heard == [
                    {},
                    {"Power": 1},
                    {"Power": 1, "On": 1},
                    {"Power": 1, "On": 2, "Broken": 1},
                ]
                reader.left.set()
        assert len(lamp.pending()) == 0


async def test_a_server_ends_though_somebody_still_reads_events() -> None:
    async with am.Machine(LampStates) as lamp:
        with trio.fail_after(10):
            async with serving(lamp) as address:
                stream = await trio.to_thread.run_sync(opened, address, "/events")
                assert await trio.to_thread.run_sync(stream.readline) == b"data: {}\n"
        stream.close()
