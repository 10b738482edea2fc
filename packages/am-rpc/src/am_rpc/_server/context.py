"""What the parts of a server need of it; for type checkers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from .._errors import RpcError
    from .._options import Access
    from .._stats import Stats
    from .client_session import ClientSession
    from .handshake import Serving
    from .machines import Catalog
    from .payload_sender import Delivery, Done, PayloadSender
    from .strangers import Strangers


class Sender(Protocol):
    """Whose client gets payloads."""

    mach: am.Machine
    source: am.MachineApi
    serving: Serving
    stats: Stats
    client: ClientSession | None


class PushContext(Protocol):
    """Whose source is followed for a client."""

    source: am.MachineApi
    serving: Serving
    stats: Stats
    push_interval: float | None
    push_max_mutations: int

    def source_disposed(self) -> None:
        """The source is gone."""


class ExecuteContext(Protocol):
    """On whose source a client's mutations are executed."""

    mach: am.Machine
    source: am.MachineApi
    serving: Serving
    stats: Stats

    @property
    def max_hops(self) -> int:
        """Longest chain of causes that a mutation may have."""
        ...


class Poster(Protocol):
    """Who begins to deliver payloads to its client."""

    def post_payload(
        self,
        name: str,
        data: Any,
        destination: str | None = None,
        *,
        source: str | None = None,
        source_tx: str | None = None,
        done: Done | None = None,
    ) -> Delivery:
        """Begin to deliver a payload."""
        ...


class Recipient(Poster, Protocol):
    """A server whose client may be one of those that a payload is for."""

    source: am.MachineApi
    client: ClientSession | None

    async def settle_payload(self, posted: Delivery) -> None:
        """Wait until a payload was taken; raises `DeliveryError`."""

    def tell_source(self, error: RpcError | None) -> None:
        """Tell the source of a payload of its own that was not delivered."""


class SessionContext(PushContext, ExecuteContext, Poster, Protocol):
    """Who serves one welcomed client."""

    catalog: Catalog
    said_bye: bool

    @property
    def boot(self) -> bytes:
        """Boot id of the source."""
        ...

    def readable(self, access: Access) -> frozenset[str] | None:
        """States that a client may follow, None for all."""
        ...


class ServerContext(SessionContext, Sender, Protocol):
    """Who takes clients in and sees them off."""

    admit: Callable[[], bool]
    strangers: Strangers
    session_scope: bytes
    postman: PayloadSender

    def report(self, error: RpcError) -> None:
        """Turn an error of a connection into states."""
