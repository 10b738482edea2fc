"""The demo of the worker pool, watched by nothing but four variables of the environment.

A real Prometheus finds its processes by a folder, a real collector gets their spans; a probe in
each process (`probe.py`) notes what the machines have done, for both to be compared with.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from . import probe
from .collected import Span, spans_of
from .real_servers import collector, prometheus

pytestmark = [pytest.mark.observability, pytest.mark.process, pytest.mark.slow]
# A process whose clients cannot keep up is slow; the demo gives itself a minute.
PATIENCE = 90.0
DISPOSED = "_disposed"
# Seconds after which Prometheus has taken notice of a new target.
NOTICED = 8.0
# Prometheus may note a scrape so many seconds beside its time, to have even distances.
ALIGNED = 0.002
# A transition that is just ending, or in which a machine was bound, may be counted by one of the
# probe and telemetry, and not by the other.
UNDECIDED = 1
# Labels, and values by time.
Series: TypeAlias = tuple[dict[str, str], list[tuple[float, float]]]
KINDS = {"supervisor": "ns-", "worker": "nw-", "client": "nc-"}


@dataclass
class Counts:
    """What one machine had done; `activated` tells how often each state became active."""

    ticks: int
    accepted: int
    canceled: int
    activated: dict[str, int]


@dataclass
class Look:
    """What the machines of a process had done, seen between two moments."""

    before: float
    after: float
    counts: dict[str, Counts]


@dataclass
class Process:
    """The notes of one process."""

    pid: int
    looks: list[Look] = field(default_factory=list)
    ended: bool = False

    @property
    def top(self) -> str:
        """The machine that the process is there for, which was bound first."""
        return next(iter(self.looks[-1].counts))

    @property
    def lived(self) -> float:
        """Seconds from when it was bound to its end."""
        return self.looks[-1].after - self.looks[0].before


@dataclass
class Watched:
    """One run of the demo, and all that was seen of it."""

    output: str
    processes: list[Process]
    ticks: list[Series]
    transitions: list[Series]
    # Seconds that each scrape took, by target and time.
    durations: dict[tuple[str, float], float]
    spans: list[Span]
    killed: str

    def process_of(self, machine: str) -> Process:
        """The process that a machine lives in."""
        (found,) = [p for p in self.processes if machine in p.looks[-1].counts]
        return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    tmp = tmp_path_factory.mktemp("demo")
    targets = tmp / "targets"
    targets.mkdir()
    with (
        prometheus(tmp / "prometheus", files=f"{targets}/*.json") as server,
        collector(tmp / "collector") as otlp,
    ):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AM_", "OTEL_"))}
        env |= probe.plant(tmp / "probe", tmp / "notes")
        env |= {
            "AM_SERVICE": "demo", "AM_PROM_ADDR": "1", "AM_PROM_SD_DIR": str(targets),
            "AM_OTEL_TRACE": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "no_proxy": "*",
        }  # fmt: skip
        done = subprocess.run(
            [*_command(), "--plain"],
            cwd=Path(__file__).parent.parent,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        killed = re.search(r"worker (\S+) was killed", done.stdout)
        assert killed is not None
        # Of the killed worker something may be left, of the others nothing.
        assert len(list(targets.iterdir())) <= 1, done.stderr
        durations = {
            (labels["instance"], at): value
            for labels, samples in server.samples("scrape_duration_seconds")
            for at, value in samples
        }
        notes = [_process(path) for path in sorted((tmp / "notes").iterdir())]
        return Watched(
            output=done.stdout,
            processes=notes,
            ticks=_ours(server.samples('am_transition_ticks_total{service_name="demo"}'), notes),
            transitions=_ours(server.samples('am_transitions_total{service_name="demo"}'), notes),
            durations=durations,
            spans=spans_of(otlp.heard),
            killed=killed[1],
        )


def _command() -> list[str]:
    """The session of the demo, where nox is at hand; else what it runs."""
    nox = os.environ.get("AM_NOX")
    if nox:
        return [nox, "-m", "nox", "-s", "demo", "--"]
    return [sys.executable, "-m", "examples.worker_pool"]


def _ours(series: list[Series], processes: list[Process]) -> list[Series]:
    """Without programs of others, who may listen at a port once the killed worker is gone."""
    machines = {DISPOSED, *(ident for p in processes for ident in p.looks[-1].counts)}
    return [one for one in series if one[0]["am_machine_id"] in machines]


def _process(path: Path) -> Process:
    process = Process(int(path.name.partition("-")[0]))
    for line in path.read_text().splitlines():
        try:
            data: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError:  # killed while it wrote
            continue
        counts = {ident: Counts(*numbers) for ident, *numbers in data["seen"]}
        process.looks.append(Look(data["before"], data["after"], counts))
        process.ended |= data["what"] == "end"
    return process


def test_supervisor_workers_clients_and_the_demo_itself_are_scraped(watched: Watched) -> None:
    scraped = {labels["am_machine_id"] for labels, _ in watched.ticks}
    assert "demo" in scraped
    for kind, start in KINDS.items():
        there = {p.top for p in watched.processes if p.top.startswith(start)}
        least = {"supervisor": 1, "worker": 4, "client": 2}[kind]
        assert len(there) >= least, kind
        # Whoever lived long enough for Prometheus to take notice was scraped.
        lasting = {p.top for p in watched.processes if p.top in there and p.lived > NOTICED}
        assert lasting <= scraped
        assert lasting


def bounds(watched: Watched, machine: str, at: float, took: float) -> tuple[Look | None, Look]:
    """The last look at a machine's process before a scrape, and the first one after it."""
    looks = watched.process_of(machine).looks
    earlier = [look for look in looks if look.after <= at - ALIGNED and machine in look.counts]
    later = [look for look in looks if look.before >= at + took + ALIGNED]
    return earlier[-1] if earlier else None, later[0] if later else looks[-1]


def scrapes(watched: Watched, series: list[Series]) -> dict[tuple[str, float, float], float]:
    """(machine, time, seconds the scrape took) -> the sum of what was scraped then."""
    found: dict[tuple[str, float, float], float] = defaultdict(float)
    for labels, samples in series:
        if labels["am_machine_id"] != DISPOSED:
            for at, value in samples:
                took = watched.durations[labels["instance"], at]
                found[labels["am_machine_id"], at, took] += value
    return found


def test_each_scraped_counter_lies_between_the_machines_own_counts(watched: Watched) -> None:
    compared = 0
    for (machine, at, took), value in scrapes(watched, watched.ticks).items():
        earlier, later = bounds(watched, machine, at, took)
        least = earlier.counts[machine].ticks if earlier else 0
        assert least <= value <= later.counts[machine].ticks, (machine, at)
        compared += 1
    accepted = [one for one in watched.transitions if one[0]["am_result"] == "accepted"]
    for (machine, at, took), value in scrapes(watched, accepted).items():
        earlier, later = bounds(watched, machine, at, took)
        least = earlier.counts[machine].accepted if earlier else 0
        most = later.counts[machine].accepted
        assert least - UNDECIDED <= value <= most + UNDECIDED, (machine, at)
        compared += 1
    assert compared > 100


def test_of_a_process_that_ended_by_itself_the_last_total_is_its_own(watched: Watched) -> None:
    ended = [p for p in watched.processes if p.ended]
    assert len(ended) >= 1 + 1 + 4 + 2
    compared = 0
    for process in ended:
        # A port is served by one process after another.
        instances = {
            labels["instance"]
            for labels, _ in watched.ticks
            if labels["am_machine_id"] == process.top
        }
        if not instances:
            assert process.lived <= NOTICED
            continue
        (instance,) = instances
        total: dict[float, float] = defaultdict(float)
        for labels, samples in watched.ticks:
            for at, value in samples:
                lives = process.looks[0].before <= at <= process.looks[-1].after
                if labels["instance"] == instance and lives:
                    total[at] += value
        own = sum(counts.ticks for counts in process.looks[-1].counts.values())
        assert total[max(total)] == own, process.top
        compared += 1
    assert compared >= 5


def test_one_tree_for_each_process_hangs_from_the_root_that_was_handed_down(
    watched: Watched,
) -> None:
    assert len({span.trace for span in watched.spans}) == 1
    by_id = {span.id: span for span in watched.spans}
    assert len(by_id) == len(watched.spans)
    (root,) = [span for span in watched.spans if span.name == "root"]
    assert [span for span in watched.spans if span.parent not in by_id] == [root]
    tops = [span.name for span in watched.spans if span.parent == root.id]
    assert len(set(tops)) == len(tops)
    assert set(tops) <= {f"mach:0:{process.top}" for process in watched.processes}
    # A worker that its supervisor gives up, as it may when the host is busy, may leave nothing.
    expected = [p.top for p in watched.processes if p.ended or p.top == watched.killed]
    assert {f"mach:0:{top}" for top in expected} <= set(tops)
    assert len(expected) >= 1 + 1 + 5 + 2


def test_of_the_killed_worker_what_is_older_than_a_second_is_there(watched: Watched) -> None:
    looks = watched.process_of(watched.killed).looks
    death = looks[-1].after
    old = [look for look in looks if look.after <= death - 1.0]
    assert old, "it was killed within a second"
    by_id = {span.id: span for span in watched.spans}
    arrived: dict[str, int] = defaultdict(int)
    for span in watched.spans:
        group = by_id.get(span.parent)
        states = by_id.get(group.parent) if group else None
        machine = by_id.get(states.parent) if states else None
        if machine is not None and machine.attributes.get("am.machine.id") == watched.killed:
            arrived[span.name] += 1
    expected = old[-1].counts[watched.killed].activated
    assert sum(expected.values()) > 10
    for name, count in expected.items():
        if name not in {"Healthcheck", "Heartbeat"}:
            assert arrived[f"0:{name} +"] >= count, name


def test_every_state_span_of_a_process_that_ended_by_itself_is_closed(watched: Watched) -> None:
    """Each activation has its span, once it is over."""
    by_id = {span.id: span for span in watched.spans}
    begun: dict[tuple[str, str], int] = defaultdict(int)
    closed: dict[tuple[str, str], int] = defaultdict(int)
    for span in watched.spans:
        if span.name.endswith(" +"):
            begun[span.parent, span.name.removesuffix(" +")] += 1
        elif span.parent in by_id and by_id[span.parent].name.removesuffix(" [M]") == span.name:
            closed[span.parent, span.name] += 1
    killed = {
        span.id for span in watched.spans if span.attributes.get("am.machine.id") == watched.killed
    }
    for (group, name), count in begun.items():
        states = by_id[by_id[group].parent]
        if states.parent not in killed:
            assert closed[group, name] == count, name
