"""Peers that find each other, by a topic or by what else a program would use; run by `compare.py`.

A process holds some peers of one system. Each line of its output is a piece of news: who saw whom
come, move or go, and when. Lines of its input ask a peer to move. Ids are names without a slash.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LIFE = 6
"""Seconds after which a registry takes a peer for lost that did not renew its entry: what a topic
gives a suspected peer to show that it lives."""
RENEW_EVERY = 2.0

_printing = threading.Lock()


def tell(by: str, what: str, who: str, value: int = 0) -> None:
    """Print a piece of news, with the time at which it was seen."""
    line = json.dumps([time.monotonic(), by, what, who, value])
    with _printing:
        print(line, flush=True)


def obey(move: Callable[[str, int], object]) -> None:
    """Move peers as the lines of the input say, until there are no more."""
    for line in sys.stdin:
        name, value = line.split()
        move(name, int(value))


# ------------------------------------------------------------------------------ a topic of ours


def by_topic(names: list[str], address: str) -> None:
    """Run peers of a topic; without an address they tell theirs."""
    import trio

    import am_machine as am
    import am_pubsub

    async def follow(topic: am_pubsub.Topic, by: str) -> None:
        names_of: dict[str, str] = {}
        with topic.watch() as news:
            async for one in news:
                if isinstance(one, am_pubsub.Removed):
                    tell(by, "gone", names_of[one.peer_id])
                    continue
                (peer,) = (tag for tag in one.machine.tags if tag.startswith("peer:"))
                who = names_of[peer.removeprefix("peer:")] = one.machine.remote_id
                what = "there" if isinstance(one, am_pubsub.Added) else "moved"
                tell(by, what, who, (one.machine.tick("Moved") + 1) // 2)

    async def peer(name: str, machine: am.Machine) -> None:
        connect = [address] if address else []
        topic = am_pubsub.Topic("compared", machines=[machine], connect=connect, listen=LISTEN)
        async with topic, trio.open_nursery() as nursery:
            tell(name, "joins", name)
            nursery.start_soon(follow, topic, name)
            await topic.mach.when("Connected")
            tell(name, "address", topic.addresses[0])
            await trio.sleep_forever()

    async def main() -> None:
        machines = {name: am.Machine({"Moved": {"multi": True}}, id=name) for name in names}
        async with trio.open_nursery() as nursery:
            for name, machine in machines.items():
                nursery.start_soon(peer, name, machine)
            token = trio.lowlevel.current_trio_token()

            def move(name: str, value: int) -> None:
                token.run_sync_soon(machines[name].add, "Moved")

            await trio.to_thread.run_sync(obey, move, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()

    trio.run(main)


LISTEN = "127.0.0.1:0"

# ------------------------------------------------------------------------------ what else there is


def by_zenoh(names: list[str], address: str) -> None:
    """Run peers with a liveliness token each; values are published beside them."""
    import zenoh

    # What nobody holds is undeclared.
    sessions, held = {}, []
    for name in names:
        config = zenoh.Config()
        config.insert_json5("mode", '"client"')
        config.insert_json5("connect/endpoints", json.dumps([address]))
        session = sessions[name] = zenoh.open(config)

        def seen(sample: Any, by: str) -> None:
            is_there = sample.kind == zenoh.SampleKind.PUT
            tell(by, "there" if is_there else "gone", str(sample.key_expr).rpartition("/")[2])

        def moved(sample: Any, by: str) -> None:
            who = str(sample.key_expr).rpartition("/")[2]
            tell(by, "moved", who, int(sample.payload.to_string()))

        seen_by, moved_by = partial(seen, by=name), partial(moved, by=name)
        held.append(session.declare_subscriber("compared/value/*", moved_by))
        tell(name, "joins", name)
        alive = session.liveliness()
        held.append(alive.declare_subscriber("compared/peer/*", seen_by, history=True))
        held.append(alive.declare_token(f"compared/peer/{name}"))
    obey(lambda name, value: sessions[name].put(f"compared/value/{name}", str(value)))


def route_zenoh(address: str) -> None:
    """Be a router of zenoh until the input ends."""
    import zenoh

    config = zenoh.Config()
    config.insert_json5("mode", '"router"')
    config.insert_json5("listen/endpoints", json.dumps([address]))
    with zenoh.open(config):
        tell("router", "address", address)
        sys.stdin.read()


def by_redis(names: list[str], address: str) -> None:
    """Run peers with a key each that expires, and news of it by PUBLISH."""
    import redis

    host, port = address.split(":")
    connected = partial(redis.Redis, host, int(port), decode_responses=True)
    server = connected()

    def follow(by: str, ready: threading.Event) -> None:
        with connected() as mine, mine.pubsub() as channel:
            channel.subscribe("compared", "__keyevent@0__:expired")
            for _ in range(2):
                next(channel.listen())
            ready.set()
            known = set()
            for key in mine.scan_iter("peer/*"):
                known.add(key.removeprefix("peer/"))
                tell(by, "there", key.removeprefix("peer/"))
            for message in channel.listen():
                if message["channel"] == "compared":
                    who, value = message["data"].split()
                    tell(by, "moved" if who in known else "there", who, int(value))
                    known.add(who)
                else:
                    who = message["data"].removeprefix("peer/")
                    known.discard(who)
                    tell(by, "gone", who)

    def put(name: str, value: int) -> None:
        server.set(f"peer/{name}", value, ex=LIFE)
        server.publish("compared", f"{name} {value}")

    def renew() -> None:
        while True:
            for name in names:
                server.expire(f"peer/{name}", LIFE)
            time.sleep(RENEW_EVERY)

    _join(names, follow, put, renew)


def by_etcd(names: list[str], address: str) -> None:
    """Run peers with a key each under a lease, and a watch of all keys."""
    import etcd3gw

    host, port = address.split(":")
    connected = partial(etcd3gw.client, host=host, port=int(port), api_path="/v3/")
    server = connected()
    leases = {name: server.lease(ttl=LIFE) for name in names}

    def follow(by: str, ready: threading.Event) -> None:
        mine = connected()
        events, _ = mine.watch_prefix("peer/")
        ready.set()
        known = set()
        for _, meta in mine.get_prefix("peer/"):
            who = meta["key"].decode().removeprefix("peer/")
            known.add(who)
            tell(by, "there", who)
        for event in events:
            who = event["kv"]["key"].decode().removeprefix("peer/")
            if event.get("type") == "DELETE":
                known.discard(who)
                tell(by, "gone", who)
                continue
            tell(by, "moved" if who in known else "there", who, int(event["kv"]["value"]))
            known.add(who)

    def put(name: str, value: int) -> None:
        server.put(f"peer/{name}", str(value), lease=leases[name])

    def renew() -> None:
        # A session of requests is of one thread.
        mine = connected()
        own = [etcd3gw.lease.Lease(lease.id, mine) for lease in leases.values()]
        while True:
            for lease in own:
                lease.refresh()
            time.sleep(RENEW_EVERY)

    _join(names, follow, put, renew)


def _join(
    names: list[str],
    follow: Callable[[str, threading.Event], None],
    put: Callable[[str, int], None],
    renew: Callable[[], None],
) -> None:
    for name in names:
        ready = threading.Event()
        threading.Thread(target=follow, args=(name, ready), daemon=True).start()
        ready.wait()
        tell(name, "joins", name)
        put(name, 0)
    threading.Thread(target=renew, daemon=True).start()
    obey(put)


SYSTEMS = {"topic": by_topic, "zenoh": by_zenoh, "redis": by_redis, "etcd": by_etcd}


def main() -> None:
    """Run the peers named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=[*SYSTEMS, "router"])
    parser.add_argument("address")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.system == "router":
        route_zenoh(options.address)
    else:
        SYSTEMS[options.system](options.names, options.address)


if __name__ == "__main__":
    main()
