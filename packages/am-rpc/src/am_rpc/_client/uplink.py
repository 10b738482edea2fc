"""The way of a replica to its source: what it needs of a client, and what it is without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import trio

import am_machine as am

from .._errors import ReadOnlyMachine
from .._options import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .._errors import RpcError
    from .._options import Retry
    from .._results import NetResult
    from .._stats import Stats
    from .._wire.catalog_messages import MachineInfo
    from .._wire.handshake_messages import Shape
    from .._wire.keys import ClientSecrets
    from .._wire.messages import Message
    from .._wire.mutation_messages import AddErr, Origin
    from .._wire.payload_chunks import SeenTokens
    from .._wire.server_messages import Payload
    from .network_machine import NetworkMachine
    from .outbox import Entry, Outbox
    from .passing import Answer, Passing, Taker


class Uplink(Protocol):
    """What a replica asks of whoever takes its mutations to the source."""

    @property
    def agreed(self) -> Limits:
        """The bounds of what may be sent, those of the server among them."""
        ...

    @property
    def filter_mutations(self) -> bool:
        """Whether a mutation that the relations exclude is not sent at all."""
        ...

    @property
    def outbox(self) -> Iterable[Entry]:
        """What is not settled, oldest first."""
        ...

    @property
    def boot(self) -> bytes | None:
        """Boot id of the source."""
        ...

    @property
    def hops(self) -> int:
        """How many servers lie between here and the source."""
        ...

    @property
    def in_touch(self) -> bool:
        """Whether the source can be reached."""
        ...

    def on_touch(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Call back when the source is reached or lost; returns what ends that."""
        ...

    def pass_payloads(self, taker: Taker) -> Callable[[], None]:
        """Offer payloads that come from the source; returns what ends that."""
        ...

    def reaches(self, client_id: str, is_there: bool) -> None:
        """A client is served behind this replica, or no more."""

    def origin(self) -> Origin | None:
        """Where a mutation that is made now comes from."""
        ...

    def submit(
        self,
        method: str,
        states: tuple[int, ...],
        args: Mapping[str, Any],
        result: NetResult,
        source: Origin | None,
    ) -> bool:
        """Take a mutation; False if there is no room."""
        ...

    def submit_error(self, message: AddErr, result: NetResult) -> bool:
        """Take an error to report; False if there is no room."""
        ...

    def submit_one_way(self, method: str, states: tuple[int, ...], args: Mapping[str, Any]) -> bool:
        """Take a mutation without an answer; False if there is no room."""
        ...

    def refusal(self) -> RpcError:
        """Why a mutation is not taken."""
        ...

    @property
    def is_cut_off(self) -> bool:
        """Whether nothing will come from the source any more, unless somebody starts it again."""
        ...

    def subscribe(self, message: Message) -> None:
        """Send a subscription, or its end, if there is a connection."""

    def check_args(self, args: Mapping[str, Any]) -> None:
        """Raise `EncodeError` if the source would not take a call with these args."""

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back once nothing is on its way."""

    async def call(self, message: Message) -> Any:
        """Ask the source."""
        ...

    async def sync(self) -> None:
        """Fetch full values."""

    async def flush(self) -> None:
        """Wait until every mutation made before was settled; always a checkpoint."""


class ClientApi(Uplink, Protocol):
    """The client behind a replica, as its users see it."""

    id: str
    addr: str
    mach: am.Machine
    limits: Limits
    retry: Retry
    stats: Stats
    last_error: RpcError | None

    async def ready(self, timeout: float = ..., /) -> NetworkMachine:  # noqa: ASYNC109
        """Wait until the replica is live and return it."""
        ...

    async def machines(self) -> tuple[MachineInfo, ...]:
        """Return the machines behind the address."""
        ...

    def rotate(self, secret: ClientSecrets) -> None:
        """Offer other secrets from the next connection on."""

    async def disconnect(self) -> None:
        """Say goodbye and stop."""


class LinkClient(Protocol):
    """What one connection of a client needs of it."""

    mach: am.Machine
    limits: Limits
    retry: Retry
    stats: Stats
    outbox: Outbox
    seen_tokens: SeenTokens
    passing: Passing

    @property
    def is_flushing(self) -> bool:
        """Whether somebody waits until nothing is on its way."""
        ...

    def next_id(self) -> int:
        """Return the number of the next request."""
        ...

    def look_at(self, due: float) -> None:
        """Look for late answers at a time."""

    def outbox_shrank(self) -> None:
        """Something was settled, or acknowledged."""

    def settle(self, entry: Entry, outcome: am.Result, error: BaseException | None = None) -> None:
        """End a mutation."""

    def grow(self, shape: Shape) -> None:
        """The source has more states."""

    def source_touched(self, alive: bool) -> None:
        """The server has found, or lost, its own source."""

    def stop_requested(self) -> None:
        """The server wants this client to stop for good."""

    def deliver(self, message: Payload, data: Any, answer: Answer) -> None:
        """Give a payload to the consumer, or to who is behind this client."""


class NoUplink:
    """The uplink of a replica without a client: nothing goes up, and whoever tries is told."""

    agreed = Limits()
    filter_mutations = False
    outbox = ()
    boot = None
    hops = 0
    in_touch = True
    is_cut_off = False

    def on_touch(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """It never changes."""
        return _nothing

    def pass_payloads(self, taker: Taker) -> Callable[[], None]:
        """None ever come."""
        return _nothing

    def reaches(self, client_id: str, is_there: bool) -> None:
        """There is nobody to tell."""

    def origin(self) -> Origin | None:
        """Nothing travels, so nothing needs one."""
        return None

    def submit(
        self,
        method: str,
        states: tuple[int, ...],
        args: Mapping[str, Any],
        result: NetResult,
        source: Origin | None,
    ) -> bool:
        """Cancel it."""
        result.settle(am.CANCELED, _read_only())
        return True

    def submit_error(self, message: AddErr, result: NetResult) -> bool:
        """Cancel it."""
        result.settle(am.CANCELED, _read_only())
        return True

    def submit_one_way(self, method: str, states: tuple[int, ...], args: Mapping[str, Any]) -> bool:
        """Refuse it."""
        return False

    def refusal(self) -> RpcError:
        """Nothing is ever taken."""
        return _read_only()

    def subscribe(self, message: Message) -> None:
        """Raise `ReadOnlyMachine`: only the source sees args."""
        raise _read_only()

    def check_args(self, args: Mapping[str, Any]) -> None:
        """Whatever they are, they will not travel."""

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Nothing ever is on its way."""
        callback()

    async def call(self, message: Message) -> Any:
        """Raise `ReadOnlyMachine`."""
        await trio.lowlevel.checkpoint()
        raise _read_only()

    async def sync(self) -> None:
        """Raise `ReadOnlyMachine`."""
        await trio.lowlevel.checkpoint()
        raise _read_only()

    async def flush(self) -> None:
        """Return: there is nothing to wait for."""
        await trio.lowlevel.checkpoint()


NO_UPLINK = NoUplink()


def _read_only() -> ReadOnlyMachine:
    return ReadOnlyMachine("this replica has no connection to its source")


def _nothing() -> None:
    """There is nothing to end."""
