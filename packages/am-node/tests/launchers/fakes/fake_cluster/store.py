"""What an API server remembers: things by kind and name, and each change of one."""

from __future__ import annotations

import copy
import threading
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Thing = dict[str, Any]


class Store:
    """Things of one namespace. Whoever changes one in place says so by `touch`, under `changed`."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._things: dict[tuple[str, str], Thing] = {}
        self._version = 0
        # Version, type of change, kind, the thing as it was then.
        self._history: list[tuple[int, str, str, Thing]] = []

    def get(self, kind: str, name: str) -> Thing | None:
        """The thing itself."""
        return self._things.get((kind, name))

    def all(self, kind: str) -> list[Thing]:
        """All of a kind."""
        with self.changed:
            return [thing for (of, _), thing in self._things.items() if of == kind]

    def add(self, kind: str, thing: Thing) -> Thing:
        """Put a new thing in."""
        with self.changed:
            metadata = thing["metadata"]
            metadata["uid"] = str(uuid.uuid4())
            self._things[kind, metadata["name"]] = thing
            self._note("ADDED", kind, thing)
            return thing

    def touch(self, kind: str, thing: Thing) -> None:
        """A thing was changed."""
        with self.changed:
            if self.get(kind, thing["metadata"]["name"]) is thing:
                self._note("MODIFIED", kind, thing)

    def remove(self, kind: str, thing: Thing) -> None:
        """Take a thing out, with all that it owns."""
        with self.changed:
            if self._things.pop((kind, thing["metadata"]["name"]), None) is None:
                return
            self._note("DELETED", kind, thing)
            uid = thing["metadata"]["uid"]
            for (of, _), other in list(self._things.items()):
                owners = other["metadata"].get("ownerReferences", [])
                if owners and all(owner["uid"] == uid for owner in owners):
                    self.remove(of, other)

    def changes(self, kind: str, name: str, after: int) -> Iterator[tuple[int, str, Thing]]:
        """Changes of one thing."""
        with self.changed:
            noted = list(self._history)
        for version, how, of, thing in noted:
            if version > after and of == kind and thing["metadata"]["name"] == name:
                yield version, how, thing

    def _note(self, how: str, kind: str, thing: Thing) -> None:
        self._version += 1
        thing["metadata"]["resourceVersion"] = str(self._version)
        self._history.append((self._version, how, kind, copy.deepcopy(thing)))
        self.changed.notify_all()
