"""`am-pubsub watch TOPIC --connect ADDRESS`: who is in a topic, where machines stand, what lags."""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import os
import sys
import time
from typing import TYPE_CHECKING

import trio

from am_helpers.completion import offer_completion

from ._errors import ListenError
from ._topic.filters import Filters
from ._topic.topic import Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import am_rpc

_CLEAR = "\x1b[H\x1b[2J"
_PATIENCE = 2.0
"""Seconds until a topic without machines is shown as it is."""
_SECRET = "AM_PUBSUB_SECRET"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    secret = os.environ.get(_SECRET, "").encode() or None
    topic = Topic(options.topic, connect=options.connect, listen=options.listen, secret=secret)
    logging.getLogger("am_machine").addHandler(logging.NullHandler())  # told here, in one line
    try:
        return trio.run(_watch, topic, options)
    except KeyboardInterrupt:
        return 130
    except (ListenError, ValueError) as error:
        print(f"am-pubsub: {_escaped(str(error))}", file=sys.stderr)
        return 2


_EXAMPLES = """examples:
  am-pubsub watch jobs --connect 127.0.0.1:7000           peers, machines and lag, again and again
  am-pubsub watch jobs --connect 127.0.0.1:7000 --once    once, for a script
  source <(am-pubsub --print-completion bash)
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="am-pubsub",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    offer_completion(parser)
    commands = parser.add_subparsers(dest="command", required=True)
    watch = commands.add_parser("watch", help="show peers, machines and lag of a topic")
    watch.add_argument("topic")
    watch.add_argument("--connect", nargs="+", required=True, metavar="ADDRESS")
    watch.add_argument("--listen", metavar="ADDRESS", help="by default it only dials")
    watch.add_argument("--tag", help="only machines with this tag")
    watch.add_argument("--every", type=_seconds, default=0.5, metavar="SECONDS")
    watch.add_argument("--once", action="store_true", help="show the topic once and leave")
    watch.epilog = f"A secret is taken from the environment: {_SECRET}."
    return parser


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        seconds = float(text)
        if 0 < seconds < math.inf:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")


async def _watch(topic: Topic, options: argparse.Namespace) -> int:
    filters = Filters(tag=options.tag)
    async with topic:
        began = time.monotonic()
        await topic.mach.when("Ready")
        if options.once:
            with trio.move_on_after(_PATIENCE), topic.watch(filters) as news:
                await anext(news)
        while True:
            seconds = time.monotonic() - began
            lines = [_escaped(line) for line in report(topic, filters, seconds)]
            if options.once or not sys.stdout.isatty():
                print("\n".join(lines), flush=True)
            else:
                print(_CLEAR + "\r\n".join(_fitting(lines)), end="", flush=True)
            if options.once:
                return 0 if topic.peers else 1
            await trio.sleep(options.every)


def report(topic: Topic, filters: Filters, seconds: float) -> Iterable[str]:
    """Yield the lines that show a topic as this peer sees it."""
    stats = topic.stats
    machines = topic.machines(filters)
    yield (
        f"{topic.name}: {len(topic.peers)} peers, {len(machines)} machines, "
        f"{stats['links']} links, lag {stats['lag']} ms, {seconds:.0f} s"
    )
    yield (
        f"received {stats.get('received', 0)} messages, {stats.get('received.bytes', 0)} bytes; "
        f"sent {stats.get('sent', 0)}; dropped "
        f"{sum(count for name, count in stats.items() if name.startswith('dropped.'))}"
    )
    if topic.mach.is_("ErrJoining"):
        yield f"not seen: {topic.mach.err}"
    for peer in topic.peers:
        yield ""
        yield f"peer {peer}"
        yield from (_line(one) for one in machines if f"peer:{peer}" in one.tags)


def _line(machine: am_rpc.NetworkMachine) -> str:
    tags = [tag for tag in machine.tags if not tag.startswith(("am:", "src-id:", "peer:"))]
    told = f"  [{' '.join(tags)}]" if tags else ""
    return f"  {machine.remote_id}  {machine}{told}"


def _escaped(line: str) -> str:
    """What others say must not steer the terminal."""
    if line.isprintable():
        return line
    return "".join([char if char.isprintable() else ascii(char)[1:-1] for char in line])


def _fitting(lines: list[str]) -> list[str]:
    """Return as much as the terminal shows."""
    size = os.get_terminal_size()
    shown = [line[: size.columns - 1] for line in lines[: size.lines - 1]]
    if len(lines) > len(shown):
        shown[-1] = f"… and {len(lines) - len(shown) + 1} more lines"
    return shown


if __name__ == "__main__":
    sys.exit(main())
