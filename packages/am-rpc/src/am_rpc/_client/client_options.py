"""The options of a client, for functions that hand them on. For type checkers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import ssl

    import am_machine as am

    from .._options import Limits, Retry, Sync
    from .._wire.keys import ClientSecrets


class ClientOptions(TypedDict, total=False):
    """Those of `Client` that are given by name; `connect` and `blocking` take them, too."""

    id: str | None
    machine: str | None
    consumer: am.MachineApi | None
    parent: am.Machine | None
    sync: Sync
    retry: Retry
    limits: Limits
    ssl_context: ssl.SSLContext | None
    secret: ClientSecrets | None
    on_disconnect: Literal["buffer", "cancel"]
    on_unknown: Literal["cancel", "resend"]
    filter_mutations: bool
    handlers: object | None
