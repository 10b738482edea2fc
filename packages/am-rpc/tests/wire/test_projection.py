"""Property tests: what a client holds is the projection of its source."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import am_machine as am
import am_rpc
from am_rpc._wire.checksum import full_sum, moved_sum
from am_rpc._wire.delta_encoder import DeltaEncoder

STATES = ("A", "B", "C", "D", "E", "F")


def test_feed_and_checksum_agree_for_any_growth() -> None:
    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), max_size=20),
        st.sets(st.sampled_from(STATES)),
        st.booleans(),
    )
    def check(steps: list[list[int]], skipped: set[str], schema: bool) -> None:
        feed = DeltaEncoder(STATES, am_rpc.Sync(schema=schema, skipped=tuple(skipped)))
        time, queue = [0] * 6, 1
        vector = feed.reset(time, queue, 0)
        ticks, total = list(vector.ticks), full_sum(vector.ticks, vector.queue_tick, 0)
        for step in steps:
            time = [a + b for a, b in zip(time, step, strict=True)]
            queue += 1
            update = feed.diff(time, queue, 0)
            assert update is not None
            total = moved_sum(total, update.pairs, update.dq, update.dm)
            assert total == update.sum
            for at in range(0, len(update.pairs), 2):
                ticks[update.pairs[at]] += update.pairs[at + 1]
        assert tuple(ticks) == feed.reset(time, queue, 0).ticks

    check()


RELATIONS = st.lists(st.sampled_from(STATES), max_size=2, unique=True)


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_replica_at_rest_is_the_projection_of_its_source(serve: Any, data: st.DataObject) -> None:
    schema = {
        name: {
            "multi": data.draw(st.booleans()),
            "auto": data.draw(st.booleans()),
            "add": data.draw(RELATIONS),
            "remove": data.draw(RELATIONS),
            "require": data.draw(
                st.lists(st.sampled_from(STATES[: STATES.index(name)]), max_size=1)
            )
            if name != "A"
            else [],
        }
        for name in STATES
    }
    try:
        schema = am.Schema(schema)
    except am.SchemaError:
        return
    sync = am_rpc.Sync(
        schema=data.draw(st.booleans()),
        allowed=tuple(data.draw(st.sets(st.sampled_from(STATES), min_size=1))),
        mutations=data.draw(st.booleans()),
        shallow=data.draw(st.booleans()),
        queue=data.draw(st.booleans()),
    )
    calls = data.draw(
        st.lists(st.tuples(st.sampled_from(("add", "remove", "set")), RELATIONS), max_size=15)
    )
    interval = data.draw(st.sampled_from((0, None)))

    async def main() -> None:
        async with serve(schema, push_interval=interval) as pair, pair.connect(sync=sync) as net:
            for number, (kind, states) in enumerate(calls):
                known = [state for state in states if state in net.schema.names]
                if number % 2:
                    getattr(pair.source, kind)(*states)
                else:
                    await getattr(net, kind)(*known)
            if interval is None:
                await net.sync()
            else:
                await net.flush()
                await trio.testing.wait_all_tasks_blocked()
            assert net.client.stats.checksum_errors == 0
            for state in sync.allowed or ():
                if sync.shallow:
                    assert net.is_(state) == pair.source.is_(state)
                else:
                    assert net.tick(state) == pair.source.tick(state)

    trio.run(main)
