"""A replica that is served again: payloads that pass on to clients behind it, and who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._errors import ErrorCode, InvalidParams, RpcError
from .._wire.messages import Behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._wire.server_messages import Payload

    Answer = Callable[[RpcError | None], None]
    # Begins to deliver to one client, if the payload is for it or for one behind it; the answer is
    # given once if it returns True.
    Taker = Callable[[Payload, Any, Answer], bool]

# Ids in one message, which a server takes in any case.
_MOST: int = 256


class Passing:
    """What a client passes on for those who serve its replica."""

    def __init__(self) -> None:
        self._takers: dict[Taker, None] = {}
        # Client ids behind this one, each as often as somebody serves it.
        self._behind: dict[str, int] = {}
        # Tokens of payloads that are on their way below -> who wants the answer.
        self._open: dict[int, Answer] = {}

    def add(self, taker: Taker) -> Callable[[], None]:
        """Offer payloads to somebody from now on; return what ends that."""
        self._takers[taker] = None
        return lambda: self._takers.pop(taker, None)

    @property
    def has_takers(self) -> bool:
        """Tell whether there is a client behind this one."""
        return bool(self._takers)

    def note(self, client_id: str, is_there: bool) -> bool:
        """Note that a client is behind this one, or no more; tell whether that is news."""
        count = self._behind.get(client_id, 0) + (1 if is_there else -1)
        if count > 0:
            self._behind[client_id] = count
            return is_there and count == 1
        return self._behind.pop(client_id, None) is not None

    def behind(self) -> Iterator[Behind]:
        """Yield what a server has to be told on a new connection."""
        ids = tuple(self._behind)
        for start in range(0, len(ids), _MOST):
            yield Behind(True, ids[start : start + _MOST])

    def is_open(self, token: int, answer: Answer) -> bool:
        """Tell whether a payload is on its way below already; then this answer is given."""
        if token in self._open:
            self._open[token] = answer
            return True
        return False

    def forget(self) -> None:
        """A new session counts its tokens anew."""
        self._open.clear()

    def deliver(
        self, message: Payload, data: Any, consume: Callable[[], None] | None, answer: Answer
    ) -> None:
        """Give a payload to all that it is for, and answer once all of them have taken it.

        `consume` gives it to this client's own consumer; None if it is not for this one.
        """
        opened, token = self._open, message.token
        opened[token] = answer
        left, fault = 1, None

        def done(error: RpcError | None) -> None:
            nonlocal left, fault
            left -= 1
            fault = fault or error
            if not left and (waiting := opened.pop(token, None)) is not None:
                waiting(fault)

        begun = 0
        for taker in tuple(self._takers):
            left += 1
            try:
                if taker(message, data, done):
                    begun += 1
                else:
                    left -= 1
            except RpcError as error:
                begun += 1
                done(error)
        if consume is not None:
            try:
                consume()
            except InvalidParams as error:
                done(error)
                return
        elif not begun:
            told = f"no client {message.destination}"
            done(InvalidParams(told, ErrorCode.WRONG_DESTINATION))
            return
        done(None)
