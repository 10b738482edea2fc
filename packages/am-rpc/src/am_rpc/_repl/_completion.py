"""What could come next in a command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from ._find import FIRST, find_peer
from ._grammar import COMMANDS
from ._outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._client.network_machine import NetworkMachine
    from ._pool import Peer, Pool

# Which states make sense: adding an active one, say, changes nothing.
_WANTS: Final = {
    "add": "inactive",
    "group-add": "inactive",
    "remove": "active",
    "group-remove": "active",
    "when": "inactive",
    "when-not": "active",
}
_MAX_PATHS: Final = 200


class Candidate(NamedTuple):
    """A word that could come next, and what to say of it."""

    text: str
    meta: str = ""


def candidates(line: str, pool: Pool) -> list[Candidate]:
    """Return what could stand in place of the last word of `line`.

    Reads the replicas as they are, from whatever thread; nothing is asked over the network.
    """
    words = line.split()
    last = "" if not words or line[-1:].isspace() else words.pop()
    if not words:
        return _starting(last, _commands())
    command = COMMANDS.get(words[0])
    if command is None:
        return []
    return _starting(last, _Line(command, words[1:], pool).next_words(last))


def _starting(last: str, found: Iterable[Candidate]) -> list[Candidate]:
    return [candidate for candidate in found if candidate.text.startswith(last)]


def _commands() -> Iterator[Candidate]:
    for name, command in COMMANDS.items():
        yield Candidate(name, command.help or "")


class _Line:
    """The words after a command, sorted into positional ones and options."""

    def __init__(self, command: click.Command, words: list[str], pool: Pool) -> None:
        self._command = command
        self._pool = pool
        self._flags = {
            flag: param
            for param in command.params
            if isinstance(param, click.Option)
            for flag in param.opts
        }
        self._given: list[str] = []
        self._open: click.Option | None = None
        for word in words:
            if self._open is not None:
                self._open = None
            elif word in self._flags:
                option = self._flags[word]
                self._open = None if option.is_flag else option
            else:
                self._given.append(word)

    def next_words(self, last: str) -> Iterable[Candidate]:
        """Return all that fits, whatever the last word begins with."""
        if self._open is not None:
            return self._values(self._open.name or "")
        if last.startswith("-"):
            return [Candidate(flag, p.help or "") for flag, p in self._flags.items()]
        arguments = [p.name for p in self._command.params if isinstance(p, click.Argument)]
        name = arguments[min(len(self._given), len(arguments) - 1)] if arguments else ""
        if len(self._given) >= len(arguments) and name not in ("states", "addrs"):
            return []
        return self._values(name or "", last)

    def _values(self, name: str, last: str = "") -> Iterable[Candidate]:
        match name:
            case "mach":
                return _ids(self._pool)
            case "state" | "states" | "active" | "inactive" | "mtime_states":
                return self._states(name)
            case "args":
                return self._args()
            case "id_prefix" | "id_partial" | "id_suffix":
                return [Candidate(peer.id) for peer in self._pool.connected]
            case "parent":
                return [Candidate(parent) for parent in _parents(self._pool)]
            case "addrs":
                lost = [peer for peer in self._pool.peers if not peer.is_connected]
                return [Candidate(peer.addr, peer.id) for peer in lost]
            case "file":
                return _paths(last)
            case "command":
                return _commands()
            case _:
                return []

    def _peers(self) -> tuple[Peer, ...]:
        """The machine of the line, or all if its command is for many."""
        arguments = [p.name for p in self._command.params if isinstance(p, click.Argument)]
        if "mach" not in arguments:
            return self._pool.connected
        try:
            return (find_peer(self._pool.peers, self._given[0]),) if self._given else ()
        except CommandError:
            return ()

    def _states(self, name: str) -> Iterable[Candidate]:
        wanted = ""
        if name == "states":
            wanted = _WANTS.get(self._command.name or "", "")
        found: dict[str, Candidate] = {}
        for peer in self._peers():
            net = peer.net
            if net is not None:
                found |= {c.text: c for c in _states_of(net, wanted)}
        return [c for state, c in found.items() if state not in self._given]

    def _args(self) -> Iterable[Candidate]:
        states = set(self._given[1:])
        for peer in self._peers():
            for state, names in peer.args.items():
                if state in states:
                    yield from (Candidate(name, state) for name in names)


def _states_of(net: NetworkMachine, wanted: str) -> Iterator[Candidate]:
    for name, state in net.schema.items():
        active = net.is_(name)
        # A multi state can be added again.
        idle = not active or state.multi or not wanted
        if active if wanted == "active" else idle:
            yield Candidate(str(name), "active" if active else "")


def _ids(pool: Pool) -> Iterator[Candidate]:
    connected = pool.connected
    if connected:
        yield Candidate(FIRST, connected[0].id)
    for peer in connected:
        yield Candidate(peer.id, peer.addr)


def _parents(pool: Pool) -> Iterable[str]:
    return dict.fromkeys(peer.parent for peer in pool.peers if peer.parent)


def _paths(last: str) -> Iterator[Candidate]:
    folder = Path(last).parent if not last.endswith("/") else Path(last)
    begin = last[: last.rfind("/") + 1]
    try:
        found = sorted(folder.iterdir())[:_MAX_PATHS]
    except OSError:
        return
    for path in found:
        if not path.name.startswith("."):
            yield Candidate(begin + path.name + ("/" if path.is_dir() else ""))
