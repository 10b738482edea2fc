"""Reads what pytest-benchmark measured, and relates figures to each other."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Key:
    """What was measured: a scenario, and the variant of it."""

    scenario: str
    variant: str


@dataclass(frozen=True, slots=True)
class Results:
    """Seconds per operation by key and lap, and figures that are no times."""

    laps: dict[Key, dict[int, float]]
    figures: dict[Key, float]
    cpu: str
    python: str

    def seconds(self, scenario: str, variant: str) -> float:
        """The median of the laps.

        :raises KeyError: if this was not measured.
        """
        return median(self.laps[Key(scenario, variant)].values())

    def ratio(self, one: tuple[str, str], other: tuple[str, str]) -> float:
        """How many times `other` fits into `one`: the median of the ratios within each lap."""
        first, second = self.laps[Key(*one)], self.laps[Key(*other)]
        return median(first[lap] / second[lap] for lap in first.keys() & second.keys())

    def variants(self, scenario: str) -> list[str]:
        return [key.variant for key in self.laps if key.scenario == scenario]

    def curve(self, scenario: str) -> list[tuple[int, float]]:
        """Points of a growth curve: the size, and how many times the cost of the smallest."""
        sizes = sorted(int(variant) for variant in self.variants(scenario))
        first = (scenario, str(sizes[0]))
        return [(size, self.ratio((scenario, str(size)), first)) for size in sizes]


def read(path: Path) -> Results:
    """The results in a file written by pytest-benchmark."""
    data = json.loads(path.read_text())
    laps: dict[Key, dict[int, float]] = defaultdict(dict)
    figures: dict[Key, float] = {}
    for one in benchmarks(data):
        facts = one["extra_info"]
        key = Key(facts["scenario"], facts["variant"])
        if "figure" in facts:
            figures[key] = facts["figure"]
        else:
            per_round = one["stats"]["median"]
            laps[key][facts["lap"]] = per_round / facts["operations"] / facts.get("parts", 1)
    machine = data["machine_info"]
    cpu = machine.get("cpu", {}).get("brand_raw") or machine.get("processor") or "unknown"
    python = f"{machine['python_implementation']} {machine['python_version']}"
    return Results(dict(laps), figures, cpu, python)


def benchmarks(data: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Those that say what they are."""
    return (one for one in data["benchmarks"] if "scenario" in one["extra_info"])
