"""A pool of workers, or a client of such pools, as a process: a topic is all that they share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import trio

import am_node
import am_pubsub

SECRET = b"a secret of these tests"
WANTED = am_pubsub.Filters(tag="node-supervisor", states=("Ready",), without=("Draining",))


class Where(am_node.Worker):
    """Says in which pool it is."""

    def work(self, x: int) -> list[object]:
        """Return the pool, and the double."""
        return [os.environ["POOL"], 2 * x]


async def pool(options: argparse.Namespace) -> None:
    """Run a supervisor, offer it in the topic, and write down where that can be joined."""
    host, file = options.host, options.file
    os.environ["POOL"] = file.name
    async with (
        am_node.Supervisor(
            f"{__file__}:Where",
            addr=f"{host}:0",
            pool=am_node.Pool(min=1, max=1),
            worker_host=host,
            secret=SECRET,
        ) as supervisor,
        am_pubsub.Topic(
            "pools", listen=f"{host}:0", connect=options.connect, secret=SECRET
        ) as topic,
    ):
        topic.expose(supervisor.mach, tags=(f"addr:{supervisor.addr}",))
        write(file, " ".join(topic.addresses))
        await trio.sleep_forever()


async def client(options: argparse.Namespace) -> None:
    """Let work be done for ever, and write down which pools there are and which one did it."""
    async with am_pubsub.Topic("pools", connect=options.connect, secret=SECRET) as topic:
        discovery = am_pubsub.TagAddresses(topic, WANTED)
        async with am_node.Client("one", supers=discovery, kind="where", secret=SECRET) as client:
            for x in range(1_000_000):
                with trio.move_on_after(20):
                    place, double = await client.work(x=x)
                    assert double == 2 * x
                    pools = len(topic.machines(WANTED))
                    write(options.file, f"{x} {place} {pools}")
                await trio.sleep(0.1)


def write(file: Path, text: str) -> None:
    """Replace a file whole."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("pool", "client"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--connect", nargs="*", default=[])
    given = parser.parse_args()
    trio.run(pool if given.role == "pool" else client, given)
