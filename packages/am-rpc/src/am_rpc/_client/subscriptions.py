"""Waits for args, which the source watches on behalf of a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import am_machine as am

from .._wire.messages import DropWhenArgs, WhenArgs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._wire.messages import Message


class Subscriptions:
    """The pending ones of one replica; waits that nobody holds any more are dropped.

    Args:
        send: sends a subscription, or its end, if there is a connection.
    """

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._pending: dict[int, tuple[ref[am.Wait], WhenArgs]] = {}
        self._next_token = 0

    def add(self, label: str, index: int, args: Mapping[str, Any]) -> am.Wait:
        """Return a wait for a state, by index, to be entered with these args."""
        wait = am.Wait(label)
        self._next_token += 1
        token = self._next_token
        message = WhenArgs(token, index, args)
        me = ref(self)

        def dropped(_: ref[am.Wait]) -> None:
            subscriptions = me()
            if subscriptions is not None:
                subscriptions._drop(token)

        self._pending[token] = (ref(wait, dropped), message)
        self._send(message)
        return wait

    def _drop(self, token: int) -> None:
        if self._pending.pop(token, None) is not None:
            self._send(DropWhenArgs(token))

    def met(self, token: int) -> None:
        """The source says that the condition was met."""
        known = self._pending.pop(token, None)
        wait = None if known is None else known[0]()
        if wait is not None:
            wait.resolve(True)

    def live(self) -> list[WhenArgs]:
        """Return what must be subscribed after a reconnect."""
        live = []
        for known, message in tuple(self._pending.values()):
            wait = known()
            if wait is not None and not wait.done:
                live.append(message)
            else:
                self._pending.pop(message.token, None)
        return live

    def end(self) -> None:
        """No condition will be met any more."""
        pending, self._pending = self._pending, {}
        for known, _ in pending.values():
            wait = known()
            if wait is not None:
                wait.resolve(False)
