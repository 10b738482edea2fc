"""The options of a mux, for functions that hand them on. For type checkers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    import trio

    import am_machine as am

    from .._options import Access, Limits
    from .._wire.keys import Secrets
    from .mux import NewServer


class MuxOptions(TypedDict, total=False):
    """Those of `Mux` that are given by name; `repl` takes them, too."""

    listener: trio.abc.Listener[Any] | None
    new_server: NewServer | None
    children: bool
    max_clients: int
    push_interval: float | None
    push_max_mutations: int
    strict: bool
    access: Access
    limits: Limits
    ssl_context: ssl.SSLContext | None
    secret: Secrets | None
    allow_id: str | None
    payload_state: str
    origins: Sequence[str]
    parent: am.Machine | None
    name: str | None
