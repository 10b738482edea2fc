"""Who asked for what happens just now: known to handlers while a peer's mutation runs."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple


class Caller(NamedTuple):
    """The client behind a mutation. A server vouches for it, whatever the args claim.

    `client_id` is the id that the connection was opened with, `session` its nonce, which stays the
    same across reconnects, and `key_id` names the secret that it proved to have, if it named one.
    """

    client_id: str
    session: bytes
    key_id: str | None


CALLER: ContextVar[Caller | None] = ContextVar("am_rpc_caller", default=None)


def caller() -> Caller | None:
    """Return who made the mutation, or asked for the check, whose handlers run just now.

    None if it was made in this process. Tasks that such handlers start know it, too. Callable in
    any thread.
    """
    return CALLER.get()
