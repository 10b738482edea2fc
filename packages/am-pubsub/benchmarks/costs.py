"""What entries, records and replicas cost: figures beside their goals, of one processor."""

from __future__ import annotations

import gc
import time
import tracemalloc
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

import am_machine as am
from am_pubsub import TopicConfig
from am_pubsub._gossip.core import Core
from am_pubsub._gossip.entries import Schema
from am_pubsub._gossip.messages import Kind, pack
from am_pubsub._gossip.table import Table
from am_pubsub._topic.replicas import Replicas
from am_pubsub.testing import Figure
from am_rpc.wire import schema_hash, schema_to_wire

if TYPE_CHECKING:
    from collections.abc import Iterator

STATES = ("Exception", "Start", "Ready", "Working", "Idle", "Draining")
PEERS = 500
MACHINES = 40
ROUNDS = 20
_KEYS = [(number.to_bytes(8, "big"), at) for number in range(PEERS) for at in range(MACHINES)]


def _described() -> tuple[am.Schema, Schema]:
    schema = am.Schema({name: {} for name in STATES})
    wire = schema_to_wire(schema)
    return schema, Schema.of(schema_hash(schema), wire)


def _listener() -> Core:
    """Return a core that knows all machines, with one neighbour that may say whatever it likes."""
    config = TopicConfig(receive_rate=1e9, receive_burst=1e9)
    _, schema = _described()
    core = Core(
        "bench", b"listener", 1, config, Random(0), 0.0, schema_hash=lambda wire: schema.hash
    )
    core.link_up(1, None, 0.0)
    core.received(1, pack(Kind.HELLO, "bench", b"neighbor", 0, bytes(8)), 0.0)
    known = [(schema.hash, schema.wire)]
    for batch in _batches(0, schema.hash):
        core.received(1, pack(Kind.DELTA, batch, known, False), 0.0)
    assert len(core.table) == len(_KEYS), core.output.counts
    return core


def _batches(tick: int, schema: bytes | None) -> Iterator[list[object]]:
    keys = iter(_KEYS)
    ticks = (0, 1, tick, 0, 0, 0)
    while part := list(islice(keys, 400)):
        if schema is None:
            yield [(peer, at, 1, ticks) for peer, at in part]
        else:
            yield [(peer, at, 1, ticks, ("machine", "", ("worker",), schema)) for peer, at in part]


def ingest() -> Figure:
    """Every machine moves, again and again: decoded, checked, applied; the best of the rounds."""
    core = _listener()
    best = float("inf")
    for tick in range(1, ROUNDS + 1):
        messages = [pack(Kind.DELTA, batch, (), False) for batch in _batches(tick, None)]
        began = time.process_time()
        for data in messages:
            core.received(1, data, 0.1 * tick)
        best = min(best, time.process_time() - began)
        core.output.events.clear()
        core.output.sends.clear()
    held = core.table.get(_KEYS[-1])
    assert held is not None
    assert held.entry.vector[2] == ROUNDS
    return Figure("one entry decoded, checked and applied", best / len(_KEYS) * 1e6, 10, "us CPU")


def records() -> Figure:
    """Memory of one record, all in: its entry, its description, its places in the tables."""
    gc.collect()
    tracemalloc.start()
    core = _listener()
    core.output.events.clear()
    core._parser.forget()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Figure("one record, all in", size / len(core.table), 800, "B")


def replicas() -> Figure:
    """Twenty thousand replicas under one parent."""
    schema, known = _described()
    table = Table(TopicConfig())
    table.schemas[known.hash] = known
    core = _listener()
    parent = am.Machine(schema, id="parent")
    made = Replicas(parent)
    began = time.process_time()
    for record in core.table:
        made.get(record, known)
    took = time.process_time() - began
    assert len(parent.children) == len(_KEYS)
    parent.dispose()
    return Figure("20,000 replicas under one parent", took, 1.5, "s CPU")


COSTS = {"ingest": ingest, "records": records, "replicas": replicas}
