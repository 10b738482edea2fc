"""The example tells the story of its README, and finds addresses in a topic."""

from __future__ import annotations

import pytest
import trio

import am_machine as am
from examples.gossip.main import announce, discovery, story

pytestmark = pytest.mark.trio


async def test_the_story_is_the_one_of_the_readme(
    capsys: pytest.CaptureFixture[str], told: str
) -> None:
    with trio.fail_after(30):
        await story()
    assert capsys.readouterr().out == told


async def test_an_announced_supervisor_is_found_and_forgotten_when_it_drains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    supervisor = am.Machine({"Ready": {}, "Draining": {}}, id="s", tags=("node-supervisor",))
    supervisor.add("Ready")
    with trio.fail_after(30):
        async with announce(supervisor, "10.0.0.7:7000") as addresses:
            monkeypatch.setenv("AM_GOSSIP_CONNECT", " ".join(addresses))
            async with discovery() as found:
                sets = found.addresses()
                seen = [await anext(sets), await anext(sets)]
                assert seen == [frozenset(), {"10.0.0.7:7000"}]
                supervisor.add("Draining")
                assert await anext(sets) == frozenset()
                await sets.aclose()
