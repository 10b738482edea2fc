"""Payloads on their way to clients: posted, delivered, given up, kept for who is away."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import trio

from .._errors import DeliveryError, NetworkTimeout, RpcError, WrongDestination
from .._wire import server_messages as news
from .._wire.bounds import piece_size
from .._wire.payload_chunks import wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from .._options import Limits
    from .._wire.payload_chunks import Parcel
    from .._wire.protocol import Response
    from .client_session import ClientSession
    from .context import Sender
    from .handshake import Serving
    from .session import Session

    Done = Callable[[DeliveryError | None], object]


class Delivery:
    """A payload on its way to one client, and its answer once that is here.

    `done` is called with None once the consumer took it, or with the reason why it did not, which
    `report` hears of first.
    """

    __slots__ = ("_arrived", "_client", "_report", "deadline", "done", "parcel", "response")

    def __init__(
        self,
        client: ClientSession,
        parcel: Parcel,
        done: Done | None = None,
        report: Callable[[DeliveryError], None] | None = None,
    ) -> None:
        self._client = client
        self._report = report
        self.parcel = parcel
        self.done = done
        self.deadline = 0.0
        self.response: Response | None = None
        self._arrived: trio.Event | None = None

    def send(self) -> None:
        """Ask the client to take the payload; its chunks, if any, were sent."""
        parcel = self.parcel
        self._client.deliver_at_once(parcel, self.answer)

    def answer(self, response: Response) -> None:
        """Keep the answer and tell who waits for it."""
        self.response = response
        if self._arrived is not None:
            self._arrived.set()
        elif self.done is not None:
            self.finish(self.outcome())

    def finish(self, error: DeliveryError | None) -> None:
        """Call back, once."""
        done, self.done = self.done, None
        if done is not None:
            if error is not None and self._report is not None:
                self._report(error)
            done(error)

    def outcome(self) -> DeliveryError | None:
        """Return why the payload was not taken, None if it was; it leaves the session if answered.

        What was not answered in time, or because the connection ended, is sent again after a
        resume.
        """
        parcel, response, client = self.parcel, self.response, self._client
        if response is None:
            return DeliveryError(f"payload {parcel.name} was not taken in time")
        error = response.error
        if error is None:
            client.session.undelivered.pop(parcel.token)
            client.server.stats.payloads += 1
            return None
        if not isinstance(error, NetworkTimeout):
            client.session.undelivered.pop(parcel.token)
        told = DeliveryError(f"payload {parcel.name}: {error}")
        told.__cause__ = error
        return told

    async def deliver(self) -> None:
        """Send what is not sent yet, and wait until the client's consumer took the payload.

        Raises:
            DeliveryError: the consumer refused it, the connection ended, or time ran out. In the
                latter two cases it stays with the session, to be sent again.
        """
        client, parcel = self._client, self.parcel
        limits = client.server.serving.limits
        with trio.move_on_after(limits.payload_timeout):
            if parcel.is_cut:
                client.notify(news.PayloadAnnounced(parcel.token, parcel.name, parcel.size))
                for index, count, data in parcel.chunks(piece_size(client.session.limits)):
                    await client.connection.room()
                    client.notify(news.PayloadChunk(parcel.token, index, count, data))
                await client.connection.room()
                self.send()
            if self.response is None:
                self._arrived = trio.Event()
                await self._arrived.wait()
        error = self.outcome()
        if error is not None:
            raise error


class PayloadSender:
    """Sends payloads to the client of one server.

    Args:
        server: whose client, limits and machine are used.
    """

    def __init__(self, server: Sender) -> None:
        self._server = server
        # With callbacks, in order of their deadlines, for all have the same time.
        self._watched: deque[Delivery] = deque()
        self._is_watching = False

    def post(
        self,
        name: str,
        data: Any,
        destination: str | None,
        source: str | None,
        source_tx: str | None,
        done: Done | None,
    ) -> Delivery:
        """Begin to deliver a payload; see `Server.post_payload`."""
        server, client = self._server, self._server.client
        if destination is not None and (client is None or not client.is_way_to(destination)):
            raise away(server.serving, server.source.id, name, data, destination, source_tx)
        if client is None:
            raise WrongDestination("no client is connected")
        if destination == client.session.client_id and not client.behind:
            # It need not be said.
            destination = None
        undelivered = client.session.undelivered
        origin = server.source.id if source is None else source
        limits = _most_to(client.session, server.serving.limits)
        token = undelivered.next_token()
        parcel = wrap(token, name, data, origin, source_tx, limits, destination)
        undelivered.push(parcel)
        delivery = Delivery(client, parcel, done, self._report)
        if not parcel.is_cut:
            delivery.send()
        if done is not None:
            self._watch(delivery)
        return delivery

    async def settle(self, delivery: Delivery) -> None:
        """Wait until a posted payload was taken; raises `DeliveryError`."""
        try:
            await delivery.deliver()
        except DeliveryError as error:
            self._report(error)
            raise

    async def redeliver(self, client: ClientSession) -> None:
        """Send again what the session could not deliver before."""
        for parcel in client.session.undelivered:
            self._server.stats.payloads_resent += 1
            delivery = Delivery(client, parcel)
            if not parcel.is_cut:
                delivery.send()
            try:
                await delivery.deliver()
            except DeliveryError as error:
                if client.connection.closed:
                    return
                self._report(error)

    def _report(self, error: DeliveryError) -> None:
        if not self._server.mach.disposed:
            self._server.mach.add_err("ErrDelivery", error)

    # Deliveries that call back.

    def _watch(self, delivery: Delivery) -> None:
        if delivery.parcel.is_cut:
            self._server.mach.fork(self._deliver, delivery)
            return
        timeout = self._server.serving.limits.payload_timeout
        delivery.deadline = trio.current_time() + timeout
        self._forget_answered()
        self._watched.append(delivery)
        if not self._is_watching:
            self._is_watching = True
            self._server.mach.fork(self._watch_deadlines)

    @staticmethod
    async def _deliver(delivery: Delivery) -> None:
        try:
            await delivery.deliver()
            delivery.finish(None)
        except DeliveryError as error:
            delivery.finish(error)
        finally:
            delivery.finish(DeliveryError("the server was closed"))

    def _forget_answered(self) -> None:
        watched = self._watched
        while watched and watched[0].response is not None:
            watched.popleft()

    async def _watch_deadlines(self) -> None:
        """End deliveries that took too long; one task for all of them, while there are any."""
        watched = self._watched
        while watched:
            self._forget_answered()
            if watched and watched[0].deadline <= trio.current_time():
                late = watched.popleft()
                late.finish(late.outcome())
            elif watched:
                await trio.sleep_until(watched[0].deadline)
        self._is_watching = False


def away(
    serving: Serving,
    origin: str,
    name: str,
    data: Any,
    client_id: str,
    source_tx: str | None,
    scope: bytes | None = None,
) -> DeliveryError:
    """Keep a payload for a client that is away; return the error that says what became of it.

    `scope` is that of the sessions of the machine that sends, None for any.
    """
    session = serving.sessions.of_client(client_id, scope)
    if session is None:
        return WrongDestination(f"no client {client_id}")
    undelivered = session.undelivered
    token = undelivered.next_token()
    limits = _most_to(session, serving.limits)
    undelivered.push(wrap(token, name, data, origin, source_tx, limits))
    return DeliveryError(f"{client_id} is away; payload {name} is sent when it is back")


def _most_to(session: Session, own: Limits) -> Limits:
    """The limits of a payload: the client's, and not more than this side sends at all."""
    return session.limits.replace(payload=min(own.payload, session.limits.payload))


def bind_payloads(source: am.MachineApi, state: str, handler: Any) -> Any:
    """Call `handler` when the source enters its payload state; None if it has no such state."""
    if state not in source.schema:
        return None
    return source.bind({f"{state}State": handler}, name="rpc-payload")


def report_undelivered(source: am.MachineApi, error: RpcError) -> None:
    """Tell a source that its payload did not arrive."""
    if "ErrSendPayload" in source.schema and not source.disposed:
        source.add_err("ErrSendPayload", error)
