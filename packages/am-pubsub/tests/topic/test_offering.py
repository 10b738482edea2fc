"""What other peers would drop without a word is refused where it is offered."""

from __future__ import annotations

import re
from typing import Any

import pytest

import am_machine as am
from am_pubsub import Filters, Topic, TopicConfig
from am_pubsub.testing import MemoryNetwork

from .polling import until

pytestmark = pytest.mark.trio

TOO_MUCH = {
    "id": ({"id": "x" * 129}, "the id of a machine may have 128 characters, not 129: 'xxx"),
    "tag": ({"id": "m", "tags": ("ü" * 128,)}, "m has a tag of 256 bytes, at most 255"),
    "tags": ({"id": "m", "tags": ("t",) * 33}, "m has 33 tags, at most 32 are taken"),
}


@pytest.mark.parametrize(("options", "told"), TOO_MUCH.values(), ids=list(TOO_MUCH))
async def test_a_machine_that_others_would_drop_is_refused_and_harms_no_other(
    options: dict[str, Any], told: str, autojump_clock: object
) -> None:
    net = MemoryNetwork(1)
    async with (
        Topic("jobs", transport=net.transport("a")) as a,
        Topic("jobs", transport=net.transport("b"), connect=["a"]) as b,
    ):
        with pytest.raises(ValueError, match=re.escape(told)):
            a.expose(am.Machine({"Foo": {}}, **options))
        with pytest.raises(ValueError, match=re.escape("the id of the parent of a machine")):
            a.expose(am.Machine({"Foo": {}}, id="child", parent=am.Machine({}, id="p" * 200)))
        a.expose(am.Machine({"Foo": {}}, id="good", tags=("t" * 255,)))
        await until(lambda: bool(b.machines(Filters(id="good"))))
        assert len(b.machines()) == 1
        assert not b.mach.is_("MsgRejected")


async def test_a_topic_whose_name_others_would_drop_is_refused(autojump_clock: object) -> None:
    topic = Topic("n" * 125, transport=MemoryNetwork(1).transport("a"))
    with pytest.raises(ValueError, match="may have 128 characters, not 133: 'ps-nnn"):
        await topic.__aenter__()


async def test_as_many_machines_are_offered_as_others_take(autojump_clock: object) -> None:
    net, config = MemoryNetwork(1), TopicConfig(machines_per_peer=3)
    async with (
        Topic("jobs", transport=net.transport("a"), config=config) as a,
        Topic("jobs", transport=net.transport("b"), connect=["a"], config=config) as b,
    ):
        machines = [am.Machine({"Foo": {}}, id=f"m{n}") for n in range(4)]
        for machine in machines[:3]:
            a.expose(machine)
        with pytest.raises(ValueError, match="may offer 3 machines, not one more"):
            a.expose(machines[3])
        await until(lambda: len(b.machines()) == 3)


@pytest.mark.parametrize("data", ["text", None, [1], bytearray(b"x")])
async def test_a_payload_that_is_not_bytes_is_refused(data: Any, autojump_clock: object) -> None:
    async with Topic("jobs", transport=MemoryNetwork(1).transport("a")) as topic:
        with pytest.raises(TypeError, match=f"a payload is bytes, not {type(data).__name__}"):
            await topic.send(data)
