"""The machines behind one address, and who may know of which."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import am_helpers as ah

from .._wire.catalog_messages import MachineInfo, page_of
from .._wire.schema import schema_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import am_machine as am

    from .._caller import Caller
    from .._wire.keys import Key

    Chooser = Callable[[str, Caller], am.MachineApi | None]

logger: Final = logging.getLogger("am_rpc")


class Catalog(Protocol):
    """Where a client's machine is looked for."""

    def find(self, to: str | None, caller: Caller) -> am.MachineApi | None:
        """Return the machine that a client asks for, the only one if it names none."""
        ...

    def listed(self) -> Iterable[am.MachineApi]:
        """All machines that may be told of."""
        ...


class OneMachine:
    """A catalog of one."""

    __slots__ = ("_machine",)

    def __init__(self, machine: am.MachineApi) -> None:
        self._machine = machine

    def find(self, to: str | None, caller: Caller) -> am.MachineApi | None:
        """Return the machine, unless another one is asked for."""
        return self._machine if to is None or to == told_id(self._machine) else None

    def listed(self) -> Iterable[am.MachineApi]:
        """The machine."""
        return (self._machine,)


class Machines:
    """Several machines, by id, or a function that finds them; with their submachines if wished.

    Args:
        machines: the machines, or a function of a machine id and the caller.
        children: whether living submachines, at any depth, can be reached, too.

    :raises ValueError: if two machines have the same id.
    """

    def __init__(self, machines: Iterable[am.MachineApi] | Chooser, *, children: bool) -> None:
        self._children = children
        self._choose: Chooser | None = machines if callable(machines) else None
        self._machines: dict[str, am.MachineApi] = {}
        self._has_told = False
        for machine in () if callable(machines) else machines:
            self.add(machine)

    def add(self, machine: am.MachineApi) -> None:
        """Take one more; raises `ValueError` if there is one of the same id."""
        name = told_id(machine)
        known = self._machines.get(name)
        if known is not None and known is not machine and not known.disposed:
            raise ValueError(f"there is a machine {name} already")
        self._machines[name] = machine

    def remove(self, machine_id: str) -> am.MachineApi | None:
        """Forget a machine and return it, None if there is none of this id."""
        return self._machines.pop(machine_id, None)

    @property
    def own(self) -> tuple[am.MachineApi, ...]:
        """Those that were given, without their submachines."""
        return tuple(self._machines.values())

    def find(self, to: str | None, caller: Caller) -> am.MachineApi | None:
        """Return the machine that a client asks for, the only one if it names none."""
        if to is None:
            return self.own[0] if len(self._machines) == 1 else None
        if self._choose is not None:
            try:
                return self._choose(to, caller) if to else None
            except Exception:
                logger.exception("no machine was found for %s", caller.client_id)
                return None
        found = self._machines.get(to)
        if (found is None or found.disposed) and self._children:
            found = next((m for m in self._below() if told_id(m) == to), None)
        return found

    def listed(self) -> Iterator[am.MachineApi]:
        """All that may be told of; a function does not tell what it would find."""
        yield from self._machines.values()
        if self._children:
            yield from self._below()

    def _below(self) -> Iterator[am.MachineApi]:
        """All submachines but those for inner use, and those whose id is taken."""
        seen = set(self._machines)
        left: list[Any] = list(self._machines.values())
        for machine in left:
            for child in getattr(machine, "children", ()):
                if child.disposed or ah.INNER in child.tags:
                    continue
                left.append(child)
                name = told_id(child)
                if name not in seen:
                    seen.add(name)
                    yield child
                elif child not in self._machines.values() and not self._has_told:
                    self._has_told = True
                    logger.warning("two machines have the id %s: one of them is served", name)


def told_id(machine: am.MachineApi) -> str:
    """Return the id that a client knows a machine by: a relay speaks in the name of its source."""
    relayed: str | None = getattr(machine, "remote_id", None)
    return relayed or machine.id


def told_parent(machine: am.MachineApi) -> str | None:
    """Return the id of the parent of a machine, or of the source that it relays."""
    if getattr(machine, "remote_id", None):
        parent: str | None = getattr(machine, "remote_parent", None)
        return parent
    return None if machine.parent is None else machine.parent.id


def page(catalog: Catalog, after: str, key: Key | None) -> list[list[Any]]:
    """Return the answer to `ls`: what a key may see, in the order of ids."""
    found = {
        name: machine
        for machine in catalog.listed()
        if (name := told_id(machine)) > after
        and not machine.disposed
        and (key is None or key.opens(name))
    }
    return page_of(_info(name, found[name]) for name in sorted(found))


def _info(name: str, machine: am.MachineApi) -> MachineInfo:
    tags = tuple([str(tag) for tag in machine.tags])
    return MachineInfo(name, told_parent(machine), tags, schema_hash(machine.schema))
