"""Pool, timing, policy and limits refuse nonsense at once."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

import am_node
import am_rpc
from am_node import _log
from am_node._boot import BootConfig
from am_node._supervisor.slot import Lease
from am_node._timing import WorkerTiming


class Echo(am_node.Worker):
    async def work(self, x: int) -> int:
        return x


def test_a_minimum_over_the_maximum_is_refused_where_both_were_given() -> None:
    with pytest.raises(ValueError, match="minimum is over the maximum"):
        am_node.Pool(min=5, max=2)
    assert am_node.Pool(max=1).min == 1
    assert am_node.Pool(min=20).max == 20
    assert (am_node.Pool().min, am_node.Pool().max) == (2, 10)


def test_configurations_show_no_secret() -> None:
    config = BootConfig(
        "unix:/b", b"token-1", "K", "m:K", "nw", "rc", b"token-2", "", "", tls=b"key-3"
    )
    spec = am_node.WorkerSpec("nw", config.to_bytes())
    lease = Lease("l", "c", "w", b"token-4")
    shown = f"{config!r} {spec!r} {lease!r}"
    assert not [word for word in ("token-", "key-") if word in shown]


@pytest.mark.parametrize(
    ("pool", "workers"), [((2, 5, 2), 4), ((7, 15, 0), 7), ((1, 1, 0), 1), ((2, 10, 5), 7)]
)
def test_an_unused_pool_wants_its_minimum_and_the_warm_ones(
    pool: tuple[int, int, int], workers: int
) -> None:
    low, high, warm = pool
    assert am_node.Pool(min=low, max=high, warm=warm).target == workers


def test_a_client_may_hold_the_whole_pool_unless_told_otherwise() -> None:
    assert am_node.Pool(max=4).client_limit == 4
    assert am_node.Pool(max=4, max_client_workers=1).client_limit == 1


@pytest.mark.parametrize("bad", [{"min": -1}, {"max": 0}, {"warm": 1.5}, {"min": True}])
def test_a_pool_of_nonsense_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Pool"):
        am_node.Pool(**bad)


def test_timing_can_be_stretched_for_a_debugger() -> None:
    stretched = am_node.Timing().stretched(10)
    assert stretched.conn_timeout == 50
    assert stretched.heartbeat == 600


@pytest.mark.parametrize("value", [0, -1, float("nan"), "5", True])
def test_a_duration_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="conn_timeout"):
        am_node.Timing(conn_timeout=value)


@pytest.mark.parametrize("value", [0, -5, 1.5, True])
def test_a_limit_that_is_none_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="memory"):
        am_node.Rlimits(memory=value)


@pytest.mark.parametrize("value", [0, -1, float("nan"), "5", True, None])
def test_a_worker_that_is_told_a_duration_that_is_none_does_not_start(value: float) -> None:
    with pytest.raises(am_node.BootError, match="'drain_timeout'"):
        WorkerTiming({"conn_timeout": 1.0, "drain_timeout": value})


def test_what_a_worker_is_not_told_takes_as_long_as_by_default() -> None:
    told = dataclasses.asdict(am_node.Timing(kill_timeout=7.0))
    timing, default = WorkerTiming(told), WorkerTiming({})
    for name in WorkerTiming.__annotations__:
        assert getattr(timing, name) == told[name]
        assert getattr(default, name) == getattr(am_node.Timing(), name)


# -- the debug switch


def test_all_durations_grow_tenfold_while_somebody_debugs(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = am_node.Supervisor(Echo)
    monkeypatch.setenv("AM_DEBUG", "1")
    slow = am_node.Supervisor(Echo)
    for field in dataclasses.fields(am_node.Timing):
        before, after = (getattr(sup._timing, field.name) for sup in (plain, slow))
        assert after == 10 * before, field.name
    monkeypatch.setenv("AM_TEST_RUNNER", "1")
    assert am_node.Supervisor(Echo)._timing == plain._timing


@pytest.mark.trio
async def test_workers_and_links_of_a_debugged_pool_are_as_patient(
    monkeypatch: pytest.MonkeyPatch, pooled: Any, clock: trio.abc.Clock
) -> None:
    monkeypatch.setenv("AM_DEBUG", "1")
    made: list[am_rpc.Client] = []
    make = am_rpc.Client.__init__

    def remembered(self: am_rpc.Client, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        made.append(self)

    monkeypatch.setattr(am_rpc.Client, "__init__", remembered)
    async with (
        pooled(Echo) as sup,
        am_node.Client("c", Echo, supers=[sup.addr]) as client,
    ):
        assert await client.work(x=1) == 1
        (host,) = sup.launcher.hosts.values()
        assert host.timing.drain_timeout == 300
    # Supervisor to worker, client to supervisor, client to worker; the report is too brief for it.
    ids = {name.id.split("-")[1]: name.limits.dead for name in made if name.id.startswith("nc-")}
    assert ids == {"worker": 90, "super": 90}
    assert sum(client.limits.dead == 90 for client in made) == 3


# -- logs


@pytest.mark.trio
@pytest.mark.parametrize("part", ["SUPERVISOR", "WORKER", "CLIENT"])
async def test_each_part_has_its_log_level(
    monkeypatch: pytest.MonkeyPatch, pooled: Any, clock: trio.abc.Clock, part: str
) -> None:
    monkeypatch.setenv(f"AM_NODE_LOG_{part}", "2")
    async with pooled(Echo) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        (host,) = sup.launcher.hosts.values()
        levels = {
            "SUPERVISOR": sup.mach.log_level,
            "WORKER": host.mach.log_level,
            "CLIENT": client.mach.log_level,
        }
    assert levels.pop(part) == 2
    assert set(levels.values()) == {0}


@pytest.mark.parametrize("value", ["loud", "6", "-1", "2.5", "\udcff", "9" * 10_000])
@pytest.mark.parametrize("part", ["SUPERVISOR", "WORKER", "CLIENT"])
def test_what_is_no_log_level_is_an_error_in_the_log_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: Any, part: Any, value: str
) -> None:
    monkeypatch.setattr(_log, "_told", set())
    monkeypatch.setenv(f"AM_NODE_LOG_{part}", value)
    assert _log.log_level(part) == 0
    assert _log.log_level(part) == 0
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert f"AM_NODE_LOG_{part}" in record.getMessage()
    assert len(record.getMessage()) < 200


def test_a_worker_process_shows_its_machine_only_if_asked(tmp_path: Path) -> None:
    code = (
        "import am_machine as am\n"
        "from am_node._log import show_machines\n"
        "show_machines({})\n"
        "m = am.Machine({{'Foo': {{}}}}, id='m1', log_level=am.LogLevel.EVERYTHING)\n"
        "m.add('Foo')\n"
    )
    told = {}
    for level in (0, 2):
        command = [sys.executable, "-c", code.format(level)]
        told[level] = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "Foo" not in told[0]
    assert "Foo" in told[2]


# -- the silence that a class allows itself


class Patient(Echo):
    link_timeout = 30.0


class Confused(Echo):
    link_timeout = -1.0


@pytest.mark.trio
async def test_a_supervisor_that_knows_only_the_name_of_a_class_is_as_patient_as_it_asks(
    clock: trio.abc.Clock,
) -> None:
    launcher = am_node.MemoryLauncher(Patient)
    pool = am_node.Pool(1, 1, 0)
    async with am_node.Supervisor("memory:Patient", launcher=launcher, pool=pool) as sup:
        await sup.mach.when("PoolReady")
        (slot,) = sup._shared
        assert slot.net.client.limits.dead == 30


@pytest.mark.trio
async def test_a_report_with_nonsense_is_refused(clock: trio.abc.Clock) -> None:
    launcher = am_node.MemoryLauncher(Confused)
    pool = am_node.Pool(1, 1, 0)
    async with am_node.Supervisor(Confused, launcher=launcher, pool=pool) as sup:
        await sup.mach.when("ErrWorker")
        assert "refused the report" in str(sup.mach.err)
