"""One client's process: its share of the files, mapped over the pool; a line for each result."""

from __future__ import annotations

import importlib
import ssl
import sys

import trio

import am_helpers as amh
import am_node
from examples.worker_pool.lines import tell
from examples.worker_pool.text_stats import TextStats


async def main(
    name: str, workers: int, supers: am_node.Discovery, ca: str, files: list[str]
) -> None:
    """Have each file worked on, by up to `workers` workers at once."""
    tls = ssl.create_default_context(cafile=ca) if ca else None
    async with am_node.Client(name, TextStats, supers=supers, ssl_context=tls) as client:
        amh.debug_env(client.mach)
        inputs = [{"path": path} for path in files]
        async for args, result in client.map(inputs, workers=workers):
            tell("result", path=args["path"], result=result)
    tell("done")


def discovery(factory: str, addresses: list[str]) -> am_node.Discovery:
    """What ``module:factory`` makes of the addresses of the demo's supervisors.

    :raises ValueError: if that is no discovery.
    """
    module, _, name = factory.partition(":")
    made = getattr(importlib.import_module(module), name)(addresses)
    if not isinstance(made, am_node.Discovery):
        raise ValueError(f"{factory} made no discovery: {made!r}")
    return made


if __name__ == "__main__":
    name, workers, addresses, factory, ca = sys.argv[1:]
    supers = discovery(factory, addresses.split(","))
    trio.run(main, name, int(workers), supers, ca, sys.stdin.read().splitlines())
