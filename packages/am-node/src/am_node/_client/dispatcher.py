"""The requests of one link: given to its worker, a few at a time, until they are answered.

A worker without a queue gets its one request as `WorkRequested`. One with a queue gets them as
`WorkQueued`: while one such mutation is on its way, what is given waits, and then travels together
in the next. The worker takes a batch whole or not at all; a refused one is tried again in halves.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am
import am_rpc

from .._errors import WorkError
from .._wire_work import BACK, BATCH, unpack_answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .request import Request

# An idle worker that still owes an answer lost it on the way: it is asked again.
ASK_AGAIN = 1.0
BUSY_PAUSE = 0.25


class Dispatcher:
    """Sends requests to the worker behind the replica `net` and takes its answers.

    `depth` is how many it may hold; `fork` starts a task that ends with the link; `retry` gets a
    request that is to be tried anew.
    """

    def __init__(
        self,
        net: am_rpc.NetworkMachine,
        worker_id: str,
        depth: int,
        fork: Callable[..., Any],
        retry: Callable[[Request], None],
    ) -> None:
        self._net = net
        self._worker_id = worker_id
        self._depth = depth
        self._fork = fork
        self._retry = retry
        self._held: dict[bytes, Request] = {}
        # Given, but not sent.
        self._outbox: dict[bytes, Request] = {}
        # On their way, until the worker accepts or refuses them.
        self._asked: list[Request] = []
        self._most = depth
        # Busy: wait before anything is sent.
        self._pausing = False
        self._reminding = False
        # The worker gives requests back, since others wait for it.
        self._gives_back = False
        # Those of its states that say so, as far as this client may follow them.
        self._ends = [name for name in ("LeaseEnding", "Draining") if name in net.schema]

    def __len__(self) -> int:
        return len(self._held)

    @property
    def is_reserved(self) -> bool:
        """Whether the worker has a request that must be alone."""
        return len(self._held) == 1 and next(iter(self._held.values())).is_alone

    @property
    def is_ending(self) -> bool:
        """Whether the worker takes nothing new."""
        return self._gives_back or self._net.any_(*self._ends)

    @property
    def is_draining(self) -> bool:
        """Whether the worker ends as soon as it is done."""
        return "Draining" in self._ends and self._net.is_("Draining")

    def give(self, request: Request) -> None:
        """Hold a request for the worker; `flush` sends it."""
        self._held[request.req] = self._outbox[request.req] = request
        request.is_sent = request.is_owned = False

    def give_back(self) -> None:
        """Have others do what the worker did not accept and what is not on its way to it."""
        for request in tuple(self._held.values()):
            if not request.is_sent and self._drop(request):
                self._retry(request)

    def flush(self) -> None:
        """Send what was given, unless something is on its way."""
        if self.is_ending:
            self.give_back()
        while self._outbox and not self._asked and not self._pausing:
            requests = list(self._outbox.values())[: self._most]
            try:
                result = self._send(requests)
            except Exception as exc:
                self._cannot_travel(requests, exc)
                continue
            now = trio.current_time()
            for request in requests:
                del self._outbox[request.req]
                request.tried += not request.is_sent
                request.is_sent = True
                request.given_at = now
            self._asked = requests
            if isinstance(result, am_rpc.NetResult):
                result.on_settled(partial(self._settled, result))
            else:
                # Disposed, or full: there is no sense in a smaller batch.
                self._refused(begun=False, halve=False)
            if not self._reminding:
                self._reminding = True
                self._fork(self._remind)

    def _send(self, requests: list[Request]) -> am.Result:
        first = requests[0]
        source = first.source
        # What is being handled just now is an answer, which is no cause of this.
        if self._depth == 1:
            with am.use_source(source):
                return self._net.add("WorkRequested", req=first.req, **_args(first))
        if any(request.source is not source for request in requests):
            source = None
        with am.use_source(source):
            batch = [[request.req, _args(request)] for request in requests]
            try:
                return self._net.add("WorkQueued", **{BATCH: batch})
            except TypeError:
                if len(requests) > 1:
                    raise
                # Nested as deeply as args may be, and the batch is two levels more.
                return self._net.add("WorkQueued", req=first.req, **first.args)

    def _cannot_travel(self, requests: list[Request], exc: Exception) -> None:
        if len(requests) > 1:
            self._most = len(requests) // 2
            return
        self._most = self._depth
        (request,) = requests
        self._drop(request)
        request.fail(exc)

    # -- accepted or refused

    def _settled(self, result: am.Result) -> None:
        if result.outcome is am.EXECUTED:
            asked, self._asked = self._asked, []
            for request in asked:
                request.is_owned = True
            self._most = min(self._most + 1, self._depth)
            self.flush()
        elif isinstance(result.error, am_rpc.NoAccess):
            asked, self._asked = self._asked, []
            for request in asked:
                if self._drop(request):
                    request.fail(WorkError("NoAccess", str(result.error), self._worker_id))
            self.flush()
        else:
            # A vote of the class that fails is a refusal like any other.
            refused = result.error is None or isinstance(result.error, am_rpc.RemoteError)
            self._refused(begun=not refused, halve=refused)

    def _refused(self, *, begun: bool, halve: bool) -> None:
        """Busy, or nobody knows: the same ids are tried again, which the worker tells apart."""
        asked, self._asked = self._asked, []
        again = {request.req: request for request in asked if request.req in self._held}
        for request in again.values():
            if not (begun or request.is_owned):
                # So this was no attempt.
                request.unsent()
        self._outbox = {**again, **self._outbox}
        if self.is_ending:
            self.give_back()
        elif halve and len(asked) > 1:
            self._most = len(asked) // 2
            self.flush()
        if self._outbox and not self._asked and not self._pausing:
            self._pausing = True
            self._fork(self._pause)

    async def _pause(self) -> None:
        with trio.move_on_after(BUSY_PAUSE):
            await self._net.when_next_active("Idle")
        self._pausing = False
        self.flush()

    async def _remind(self) -> None:
        """Look now and then whether the worker is idle though it owes answers."""
        while self._held:
            await trio.sleep(ASK_AGAIN)
            if not self._net.is_("Ready", "Idle"):
                continue
            since = trio.current_time() - ASK_AGAIN
            for request in tuple(self._held.values()):
                if request.is_sent and request.given_at <= since and request not in self._asked:
                    self._outbox[request.req] = request
            self.flush()
        self._reminding = False

    # -- answered or given up

    def answered(self, data: object) -> None:
        """Take a payload's answers; each counts once."""
        for answer in unpack_answers(data):
            req = answer.get("req")
            request = self._held.get(req) if isinstance(req, bytes) else None
            if request is not None:
                self._drop(request)
                if answer.get(BACK) is True:
                    self._gives_back = True
                    request.unsent()
                    self._retry(request)
                elif not request.answer(answer, self._worker_id):
                    self._retry(request)

    def cancel(self, request: Request) -> None:
        """Nobody wants the answer any more: tell the worker, if it knows of the request."""
        if self._drop(request) and request.is_sent:
            # It runs or still waits, who knows.
            if self._depth > 1:
                self._net.remove("WorkQueued", req=request.req)
            self._net.remove("Working", req=request.req)

    def _drop(self, request: Request) -> bool:
        self._outbox.pop(request.req, None)
        return self._held.pop(request.req, None) is not None

    def empty(self) -> list[Request]:
        """Give back all requests, oldest first: the worker is gone."""
        held, self._held, self._outbox, self._asked = list(self._held.values()), {}, {}, []
        return held


def _args(request: Request) -> dict[str, Any]:
    """The args as they travel.

    :raises TypeError: if they are none of a call.
    """
    args = request.args
    if not isinstance(args, Mapping):
        raise TypeError(
            f"an input is a mapping of the args of `work`, as {{'input': 3}}; "
            f"{reprlib.repr(args)} is of type {type(args).__name__}"
        )
    for name in args:
        if type(name) is not str or name == "req":
            raise TypeError(f"{name!r} cannot be the name of an arg")
    return args if type(args) is dict else dict(args)
