"""One peer of a topic as a process: it says where it is, and writes down whom it sees."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import trio

import am_machine as am
import am_pubsub


async def main(options: argparse.Namespace) -> None:
    """Take part until killed; the view is a file that is replaced whole."""
    machine = am.Machine({"Start": {}, "Tick": {"multi": True}}, id=f"m-{options.name}")
    machine.add("Start")
    topic = am_pubsub.Topic(
        "six",
        machines=[machine],
        connect=options.connect,
        transport=am_pubsub.Links(listen=options.listen, secret=b"a secret of tests"),
        peer_id=options.name.ljust(8, "_").encode(),
    )
    async with topic:
        while True:
            machine.add("Tick")
            view = sorted(replica.remote_id for replica in topic.machines())
            seen = {"view": view, "addresses": topic.addresses, "stats": topic.stats}
            fresh = options.file.with_suffix(".new")
            fresh.write_text(json.dumps(seen))
            os.replace(fresh, options.file)
            await trio.sleep(0.2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--connect", nargs="*", default=[])
    parser.add_argument("--behind", type=float, default=0.0, help="seconds the clock is set back")
    given = parser.parse_args()
    if given.behind:
        now = time.time
        time.time = lambda: now() - given.behind
    trio.run(main, given)
