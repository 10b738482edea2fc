"""Debugging by environment: which machines of a pool take part."""

from collections.abc import Iterator
from importlib.metadata import distribution
from typing import Any

import pytest

import am_helpers as amh
import am_machine as am
import am_node
from am_machine.testing import created

INNER_TAGS = ("node-slot", "node-lane", "node-bootstrap", "node-news")


class Doubler(am_node.Worker):
    """Doubles."""

    async def work(self, n: int) -> int:
        """Double."""
        return 2 * n


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[am.MachineApi]]:
    """The machines that a debug exporter was given."""
    seen: list[am.MachineApi] = []
    monkeypatch.setenv("AM_DBG_ADDR", "127.0.0.1:1")
    amh.register_debug_exporter(lambda mach, addr: seen.append(mach))
    yield seen
    amh.register_debug_exporter(None)


async def work_once(pooled: Any) -> list[am.BaseMachine]:
    """Run one request through a pool in this process, and return all machines of it."""
    with created() as made:
        async with (
            pooled(Doubler) as sup,
            am_node.Client("c", Doubler, supers=[sup.addr]) as client,
        ):
            assert await client.work(n=4) == 8
    return made


def kinds(machines: list[Any]) -> list[str]:
    return sorted({tag for mach in machines for tag in mach.tags[:1]})


@pytest.mark.trio
async def test_supervisor_worker_and_client_take_part_and_inner_machines_do_not(
    pooled: Any, clock: Any, exported: list[am.MachineApi]
) -> None:
    made = await work_once(pooled)
    assert kinds(exported) == ["node-client", "node-supervisor", "node-worker"]
    inner = [mach for mach in made if amh.INNER in mach.tags]
    assert {tag for tag in kinds(inner) if tag.startswith("node-")} == set(INNER_TAGS)
    assert not {id(mach) for mach in inner} & {id(mach) for mach in exported}


@pytest.mark.trio
async def test_inner_machines_are_shown_if_asked_for(
    pooled: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AM_NODE_DBG", "1")
    made = await work_once(pooled)
    inner = [mach for mach in made if amh.INNER in mach.tags]
    assert not [kind for kind in kinds(inner) if kind.startswith("node-")]
    assert kinds(inner) == ["rpc-client", "rpc-mux", "rpc-server"], "those have a switch of theirs"


@pytest.mark.trio
async def test_a_log_level_of_the_pool_goes_before_that_of_all_machines(
    pooled: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AM_LOG", "1")
    monkeypatch.setenv("AM_NODE_LOG_CLIENT", "3")
    async with (
        pooled(Doubler) as sup,
        am_node.Client("c", Doubler, supers=[sup.addr]) as client,
    ):
        assert client.mach.log_level == 3
        assert sup.mach.log_level == 1


def test_the_schemas_are_bases_for_written_classes() -> None:
    points = distribution("am-node").entry_points.select(group="am_helpers.schemas")
    offered = {point.name: point.load() for point in points}
    assert offered == {
        "clientstates": am_node.ClientStates,
        "supervisorstates": am_node.SupervisorStates,
        "workerstates": am_node.WorkerStates,
    }
