"""One client's process: its share of the files, mapped over the pool; a line for each result."""

from __future__ import annotations

import ssl
import sys

import trio

import am_helpers as amh
import am_node
from examples.worker_pool.lines import tell
from examples.worker_pool.text_stats import TextStats


async def main(name: str, workers: int, supers: list[str], ca: str, files: list[str]) -> None:
    """Have each file worked on, by up to `workers` workers at once."""
    tls = ssl.create_default_context(cafile=ca) if ca else None
    async with am_node.Client(name, TextStats, supers=supers, ssl_context=tls) as client:
        amh.debug_env(client.mach)
        inputs = [{"path": path} for path in files]
        async for args, result in client.map(inputs, workers=workers):
            tell("result", path=args["path"], result=result)
    tell("done")


if __name__ == "__main__":
    name, workers, supers, ca = sys.argv[1:]
    trio.run(main, name, int(workers), supers.split(","), ca, sys.stdin.read().splitlines())
