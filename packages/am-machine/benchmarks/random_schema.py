"""Schemas with random relations, the same for the same seed."""

from __future__ import annotations

import random
from typing import Any

import am_machine as am


def random_schema(size: int, seed: int = 1) -> dict[str, dict[str, Any]]:
    """`size` states, most of them related to a few others; requirements have no cycle."""
    chance = random.Random(seed)
    names = [f"State{number}" for number in range(size)]
    schema: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(names):
        require = some(chance, names[:place], 0.3, 1)
        others = [other for other in names if other not in require]
        schema[name] = {
            "require": require,
            "add": some(chance, names, 0.3, 2),
            "remove": some(chance, others, 0.6, 4),
            "after": some(chance, names[:place], 0.1, 1),
            "multi": chance.random() < 0.1,
        }
    return schema


def some(chance: random.Random, names: list[str], share: float, most: int) -> list[str]:
    """With this chance a few of the names, else none."""
    if not names or chance.random() > share:
        return []
    return chance.sample(names, min(len(names), chance.randint(1, most)))


def random_mutations(schema: am.Schema, count: int, seed: int = 2) -> list[tuple[str, ...]]:
    """Lists of ten states to be set, of which hardly any two are the same."""
    chance = random.Random(seed)
    return [tuple(chance.sample(schema.names, 10)) for _ in range(count)]


def reachable(schema: am.Schema, count: int, seed: int = 3) -> list[tuple[str, ...]]:
    """Sets of active states that a machine with this schema can be in."""
    machine = am.Machine(schema)
    found = []
    for called in random_mutations(schema, count, seed):
        machine.set(*called)
        if not machine.active:
            machine.add(*called[:1])
        found.append(machine.active)
    return found
