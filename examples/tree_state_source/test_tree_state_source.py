"""Real processes tell the story of the README; schema, metrics and dashboard are what they say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc
from examples.tree_state_source.board import FLIGHTS, GATES, board, flight, gate, on_gate, taken_by
from examples.tree_state_source.dashboard import dashboard
from examples.tree_state_source.main import get, shown
from examples.tree_state_source.readers import serve_http
from examples.tree_state_source.root import Airport

ROOT = Path(__file__).parents[2]
# From the change to an answer of the last leaf: two levels of 50 ms, and a busy machine.
CONVERGED = 2000.0


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [("-m", "examples.tree_state_source"), ("examples/tree_state_source/main.py",)]
)
def test_the_story_is_the_one_of_the_readme(
    tmp_path: Path, told: str, how: tuple[str, ...]
) -> None:
    file = tmp_path / "board.json"
    done = subprocess.run(
        [sys.executable, "-W", "error", *how, str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    pattern = re.escape(told).replace("…", r"(\d+)")
    match = re.fullmatch(pattern, done.stdout)
    assert match is not None, done.stdout + done.stderr
    assert float(match[1]) <= CONVERGED
    assert json.loads(file.read_text()) == dashboard()


def test_the_schema_has_the_states_that_were_asked_for() -> None:
    assert {len(flight(number)) for number in FLIGHTS} == {14}
    assert {len(gate(number)) for number in GATES} == {15}
    assert len(board()) == 5 * 14 + 3 * 15 + 3 + 1


def test_a_flight_has_one_phase_and_a_gate_one_flight() -> None:
    mach = am.Machine(board())
    mach.add("Gate1Open")
    assert mach.is_("Gate1Free")
    mach.add("Flight1Scheduled")
    mach.add("Flight1AtGate")
    mach.add(on_gate(1, 1), taken_by(1, 1))
    assert mach.is_("Flight1AtGate", "Gate1Flight1")
    assert mach.not_("Flight1Scheduled", "Gate1Free")
    mach.add(on_gate(2, 1), taken_by(1, 2))
    assert mach.is_("Gate1Flight2")
    assert mach.not_("Gate1Flight1")
    mach.remove(taken_by(1, 2))
    assert mach.is_("Gate1Free")
    mach.add("Flight1Canceled")
    assert mach.not_("Flight1AtGate", "Flight1OnGate1")


@pytest.mark.trio
async def test_a_day_ends_with_every_flight_gone_and_is_the_same_for_a_seed() -> None:
    clocks: list[am.Time] = []
    for seed in (7, 7, 8):
        async with am.Machine(board(), handlers=Airport()) as mach:
            mach.add("Ready")
            mach.add("Day", seed=seed)
            await mach.when("DayDone")
            assert mach.is_(*(f"Flight{number}Departed" for number in FLIGHTS))
            assert mach.not_("Day")
            clocks.append(mach.time())
    assert clocks[0] == clocks[1] != clocks[2]


@pytest.mark.trio
async def test_a_reader_waits_for_a_clock_and_gets_metrics() -> None:
    async with (
        am.Machine(board()) as mach,
        am_rpc.Mux(mach, "127.0.0.1:0", push_interval=0) as mux,
        am_rpc.Client(mux.addr) as client,
    ):
        net = await client.ready()
        async with serve_http(net, client.stats) as port, trio.open_nursery() as nursery:
            answers: list[list[str]] = []

            async def read() -> None:
                found = await trio.to_thread.run_sync(shown, str(port), 2)
                answers.append(found["active"])

            nursery.start_soon(read)
            mach.add("Flight1Delayed")
            mach.add("Flight2Delayed")
            with trio.fail_after(5):
                while not answers:
                    await trio.testing.wait_all_tasks_blocked(0.01)
            assert answers == [["Flight1Delayed", "Flight2Delayed"]]
            text = await trio.to_thread.run_sync(get, str(port), "/metrics")
        assert 'am_state_ticks{state="Flight2Delayed"} 1' in text
        assert re.search(r"^am_rpc_bytes_in [1-9]", text, re.MULTILINE)


def test_every_panel_asks_for_states_that_exist() -> None:
    names = board().names
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == 9
    for panel in panels[:-1]:
        match = re.search(r'state=~"(.*?)"', panel["targets"][0]["expr"])
        assert match is not None
        found = [name for name in names if re.fullmatch(match[1], name)]
        assert len(found) == (14 if panel["title"].startswith("Flight") else 15)
