"""How soon a change of one of six processes is seen by the five others; exit with 1 if too late.

`--tls` connects them by TLS (needs `trustme`), else it is TCP on this host.
"""

from __future__ import annotations

import argparse
import json
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trio

import am_machine as am
import am_pubsub
from am_pubsub.testing import Figure

OTHERS = 5
PACES = ((1.0, 20, 10.0), (20.0, 400, 250.0))
"""Changes a second, how many, and what the 95th percentile may be, in milliseconds."""
SCHEMA = {"Tick": {"multi": True}, "Tock": {"multi": True}}
NAMES = ("Tick", "Tock")
"""A state for each pace."""


def contexts(folder: Path | None) -> dict[str, ssl.SSLContext | str]:
    """Return the options of a topic that make its links safe."""
    if folder is None:
        return {"listen": "127.0.0.1:0"}
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    client = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    return {"ssl_context": server, "peer_context": client, "listen": "localhost:0"}


async def follow(options: argparse.Namespace) -> None:
    """Note when each tick is seen; say so once all are there."""
    seen: dict[str, list[float]] = {name: [] for name in NAMES}
    topic = am_pubsub.Topic("pace", connect=options.connect, **contexts(options.certs))  # type: ignore[arg-type]
    async with topic:
        with topic.watch(am_pubsub.Filters(id="source")) as news:
            async for one in news:
                if isinstance(one, am_pubsub.Removed):
                    break
                now = time.monotonic()
                for name in NAMES:
                    more = one.machine.tick(name) // 2 - len(seen[name])
                    seen[name] += [now] * more
    print(json.dumps(seen))


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process whose output is read in the end."""
    return subprocess.Popen(command, stdout=subprocess.PIPE)


async def lead(options: argparse.Namespace) -> list[Figure]:
    """Run the source, the others as processes, and return figures."""
    source = am.Machine(SCHEMA, id="source")
    topic = am_pubsub.Topic("pace", machines=[source], **contexts(options.certs))  # type: ignore[arg-type]
    made: dict[str, list[float]] = {name: [] for name in NAMES}
    async with topic:
        certs = ("--certs", str(options.certs)) if options.certs else ()
        command = [sys.executable, __file__, "--connect", *topic.addresses, *certs]
        others = [start(command) for _ in range(OTHERS)]
        with trio.fail_after(60):
            while len(topic.peers) < OTHERS:  # noqa: ASYNC110 - a bench may poll
                await trio.sleep(0.1)
        await trio.sleep(12)  # more links are made within ten seconds
        for name, (pace, count, _) in zip(NAMES, PACES, strict=True):
            for _ in range(count):
                made[name].append(time.monotonic())
                source.add(name)
                source.remove(name)
                await trio.sleep(1 / pace)
            await trio.sleep(1)
    told = []
    for other in others:
        out, _ = await trio.to_thread.run_sync(other.communicate)
        told.append(json.loads(out))
    return [*figures(made, told, "TLS" if options.certs else "TCP")]


def figures(
    made: dict[str, list[float]], told: list[dict[str, list[float]]], way: str
) -> list[Figure]:
    """Return the 95th percentile of each pace."""
    found = []
    for name, (pace, _, goal) in zip(NAMES, PACES, strict=True):
        late = [
            1000 * (seen - began)
            for one in told
            for began, seen in zip(made[name], one[name], strict=True)
        ]
        p95 = statistics.quantiles(late, n=20)[-1]
        found.append(Figure(f"six processes, {way}, {pace:g} changes/s, p95", p95, goal, "ms"))
    return found


def issue(folder: Path) -> None:
    """Make certificates."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    cert = authority.issue_cert("localhost")
    cert.private_key_pem.write_to_path(folder / "key.pem")
    for part in cert.cert_chain_pems:
        part.write_to_path(folder / "cert.pem", append=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--connect", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--certs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.connect:
        trio.run(follow, options)
        return 0
    with tempfile.TemporaryDirectory() as name:
        if options.tls:
            options.certs = Path(name)
            issue(options.certs)
        found = trio.run(lead, options)
    for figure in found:
        note = "" if figure.holds else "  missed"
        print(f"{figure.what:<52} {figure.value:>10.3g} {figure.goal:>8g} {figure.unit}{note}")
    return not all(figure.holds for figure in found)


if __name__ == "__main__":
    sys.exit(main())
