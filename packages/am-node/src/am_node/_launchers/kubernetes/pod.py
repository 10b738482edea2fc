"""One pod, followed from its creation until it is gone."""

from __future__ import annotations

import logging
import re
from contextlib import aclosing
from typing import TYPE_CHECKING

import trio

from ..output import FLOOD_SECONDS, Tail, read_lines
from . import status
from .api import ApiError
from .http import NotSentError
from .manifests import CONTAINER, owned_by

if TYPE_CHECKING:
    from ..base import ExitInfo, WorkerSpec
    from .api import Api, Thing

_log = logging.getLogger("am_node")

# The nodes' agents kill what has not ended by then. Zero would make the cluster forget the pod
# while it may still run.
_NOW = 1
# For a pod that was deleted to be gone: its node may be slow, or lost.
_GOES = 30.0
# A call that the server may still carry out, though nobody heard its answer.
_SETTLES = 5.0
_AGAIN = 1.0
_LOOK = 0.2
_LOOK_AT_EVENTS = 2.0
# For what the pod said last to arrive.
_LAST_WORDS = 5.0
# From here on an answer may be that of a server that carries the call out all the same.
_SERVER_FAILED = 500
# What the server puts before each line.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) ?")


class Pod:
    """A worker in a pod. It is a `QueuedHandle`."""

    pid = None

    def __init__(self, api: Api, name: str, spec: WorkerSpec, patience: float) -> None:
        self.pending = "queued"
        self._api = api
        self._name = name
        self._spec = spec
        # Seconds for which the node may fail to start it.
        self._patience = patience
        self._seen: Thing = {}
        self._event = self._why = ""
        self._faulty_since: float | None = None
        # What was made, as far as this can know.
        self._may_exist: set[str] = set()
        self._tail = Tail()
        self._placed, self._ended, self._log_read = trio.Event(), trio.Event(), trio.Event()
        self._drain_asked, self._kill_asked = trio.Event(), trio.Event()

    # -- what the supervisor holds

    async def placed(self) -> None:
        """Wait until the cluster has started the process."""
        await self._placed.wait()

    def terminate(self) -> None:
        """Delete the pod: its worker drains, for as long as `grace` allows."""
        self._drain_asked.set()

    def kill(self) -> None:
        """Delete the pod at once."""
        self._kill_asked.set()

    # -- from its creation to its end

    async def follow(self) -> ExitInfo:
        """Pass on what the worker prints, until it ended."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._delete_when, self._drain_asked, None)
            nursery.start_soon(self._delete_when, self._kill_asked, _NOW)
            nursery.start_soon(self._look_why_it_waits)
            nursery.start_soon(self._read_log)
            nursery.start_soon(self._watch)
            await self._ended.wait()
            if self._placed.is_set():
                with trio.move_on_after(_LAST_WORDS):
                    await self._log_read.wait()
            nursery.cancel_scope.cancel()
        waited = "" if self._placed.is_set() else f"it waited for: {self.pending}"
        killed = "killed" if self._kill_asked.is_set() else ""
        return status.exit_info(self._seen, str(self._tail), self._why, killed, waited)

    async def create(self, secret: Thing, pod: Thing) -> None:
        """Create both; the secret goes with the pod, whoever deletes that.

        :raises OSError: if it cannot be.
        """
        # Cancelled in the middle, nobody would know whether there is something to remove.
        with trio.CancelScope(shield=True):
            await self._create("secrets", secret)
            self._take(made := await self._create("pods", pod))
            owners = [owned_by(self._name, made["metadata"]["uid"])]
            changes = {"metadata": {"ownerReferences": owners}}
            await self._api.patch("secrets", self._name, changes)
        await trio.lowlevel.checkpoint_if_cancelled()

    async def _create(self, kind: str, manifest: Thing) -> Thing:
        self._may_exist.add(kind)
        try:
            return await self._api.create(kind, manifest)
        except (ApiError, NotSentError) as exc:
            if not isinstance(exc, ApiError) or exc.code < _SERVER_FAILED:
                self._may_exist.discard(kind)
            raise

    async def remove(self) -> None:
        """Delete pod and secret, and wait until the pod is gone.

        One whose node does not answer is given up after half a minute: the cluster forgets it.
        """
        if "pods" in self._may_exist:
            with trio.move_on_after(_GOES) as patience:
                await self._see_it_gone()
            if patience.cancelled_caught:
                _log.warning("pod %s does not end: it is deleted without waiting", self._name)
                with trio.move_on_after(_SETTLES):
                    await self._delete("pods", 0)
        if "secrets" in self._may_exist:
            with trio.move_on_after(_SETTLES):
                await self._delete("secrets", None)

    async def _see_it_gone(self) -> None:
        # A call whose answer was lost may take a moment to show.
        settled = trio.current_time() + (0.0 if self._seen else _SETTLES)
        is_asked = False
        while True:
            try:
                if is_asked:
                    is_there = await self._api.get("pods", self._name) is not None
                else:
                    is_there = is_asked = await self._api.delete("pods", self._name, _NOW)
                if not is_there and trio.current_time() >= settled:
                    return
            except OSError as exc:
                _log.debug("pod %s: %s", self._name, exc)
            await trio.sleep(_LOOK)

    async def _delete_when(self, asked: trio.Event, grace: int | None) -> None:
        await asked.wait()
        await self._delete("pods", grace)

    async def _delete(self, kind: str, grace: int | None) -> None:
        while True:
            try:
                await self._api.delete(kind, self._name, grace)
            except OSError as exc:
                _log.info("%s %s is not deleted yet: %s", kind, self._name, exc)
                await trio.sleep(_AGAIN)
            else:
                return

    # -- what the cluster tells

    async def _watch(self) -> None:
        while True:
            try:
                found = await self._api.get("pods", self._name)
                if found is None:
                    self._is_gone()
                    return
                self._take(found)
                async with aclosing(self._api.watch("pods", found)) as changes:
                    async for kind, pod in changes:
                        self._take(pod)
                        if kind == "DELETED":
                            self._is_gone()
                            return
            except OSError as exc:  # a server that is away for a while ends no worker
                _log.debug("pod %s cannot be watched: %s", self._name, exc)
            await trio.sleep(_AGAIN)

    def _take(self, pod: Thing) -> None:
        self._seen = pod
        if status.is_started(pod):
            self.pending = ""
            self._placed.set()
        elif not status.is_faulty(pod):
            self._faulty_since = None
        elif self._faulty_since is None:
            self._faulty_since = trio.current_time()
        self._tell_pending()
        if status.has_ended(pod):
            self._ended.set()

    def _tell_pending(self) -> None:
        if not self._placed.is_set():
            self.pending = status.waits_for(self._seen, self._event)

    def _is_gone(self) -> None:
        if not self._ended.is_set():
            self._why = "the pod was deleted"
        self._ended.set()

    async def _look_why_it_waits(self) -> None:
        """Ask for events, which tell more than a status; give up what its node cannot start."""
        while not self._placed.is_set():
            await trio.sleep(_LOOK_AT_EVENTS)
            try:
                about = f"involvedObject.kind=Pod,involvedObject.name={self._name}"
                self._event = status.warning(await self._api.list("events", fieldSelector=about))
            except OSError as exc:  # who may start pods may not read events everywhere
                _log.debug("events of pod %s cannot be read: %s", self._name, exc)
            self._tell_pending()
            since = self._faulty_since
            late = since is not None and trio.current_time() - since > self._patience
            if late and not self._placed.is_set():
                self._why = f"its node could not start it for {self._patience:g} s"
                self._ended.set()

    # -- what the worker prints

    async def _read_log(self) -> None:
        """Read it to its end; a log that breaks off is taken up where that happened."""
        await self._placed.wait()
        place = _Place()

        def sink(line: str) -> None:
            if stamp := _STAMP.match(line):
                if not place.is_new(stamp[1]):
                    return
                line = line[stamp.end() :]
            self._tail.add(line)
            self._spec.line("stdout", line)  # a cluster does not tell stdout and stderr apart

        while True:
            is_last = self._ended.is_set()
            since = place.resume()
            try:
                async with self._api.log(
                    self._name, container=CONTAINER, follow="true", timestamps="true", **since
                ) as stream:
                    await read_lines(stream, sink, self._flooded)
            except OSError as exc:
                _log.debug("the log of pod %s cannot be read: %s", self._name, exc)
            if is_last:
                break
            with trio.move_on_after(_AGAIN):
                await self._ended.wait()
        self._log_read.set()

    def _flooded(self, seconds: float) -> None:
        if seconds >= FLOOD_SECONDS:
            self._why = "flooded stdout"
            self.kill()


class _Place:
    """How far a log has been read, by the moments before its lines; several may have the same."""

    def __init__(self) -> None:
        self._latest = self._since = ""
        self._count = self._skipped = 0

    def resume(self) -> dict[str, str]:
        """What to ask the server for, to go on from here; it may begin a little earlier."""
        self._since, self._skipped = self._latest, self._count
        return {"sinceTime": self._latest} if self._latest else {}

    def is_new(self, stamp: str) -> bool:
        """Whether the line of that moment was not read before."""
        if stamp < self._since:
            return False
        if stamp == self._since and self._skipped:
            self._skipped -= 1
            return False
        self._count = self._count + 1 if stamp == self._latest else 1
        self._latest = stamp
        return True
