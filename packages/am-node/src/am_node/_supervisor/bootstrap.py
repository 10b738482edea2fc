"""The place where one new worker hands over its addresses: a machine of its own per fork."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import trio

import am_machine as am
import am_rpc

from .._debugging import inner_tags
from .._worker_states import BootstrapStates

_MAX_ADDR = 256
_MAX_SILENCE = 1e6


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a new worker listens, and how long it may be silent (None: as the pool says)."""

    local: str
    public: str
    link_timeout: float | None = None


class Bootstrap:
    """Waits for the addresses of the worker `worker_id`, for whoever knows `token`."""

    def __init__(self, worker_id: str, parent: am.Machine) -> None:
        self.token = secrets.token_bytes(32)
        self.addr = ""
        self._worker_id = worker_id
        self._reported = trio.Event()
        self._closed = trio.Event()
        self._addresses: Addresses | None = None
        self.mach = am.Machine(
            BootstrapStates,
            id=f"nb-{worker_id}",
            parent=parent,
            handlers=self,
            tags=inner_tags("node-bootstrap"),
        )

    def WorkerAddrEnter(self, e: am.Event) -> bool:
        """Accept one report, with plausible addresses, from the worker that is expected."""
        args = e.args
        texts = [args.get(name) for name in ("id", "local_addr", "public_addr")]
        plausible = all(isinstance(text, str) and 0 < len(text) <= _MAX_ADDR for text in texts)
        silence = args.get("link_timeout")
        if silence is not None:
            plausible = plausible and type(silence) in {int, float} and 0 < silence < _MAX_SILENCE
        return plausible and texts[0] == self._worker_id and self._addresses is None

    def WorkerAddrState(self, e: am.Event) -> None:
        """Keep the addresses and wake the supervisor."""
        args = e.args
        silence = args.get("link_timeout")
        self._addresses = Addresses(args["local_addr"], args["public_addr"], silence)
        self._reported.set()

    async def report(self) -> Addresses:
        """Wait for the addresses."""
        await self._reported.wait()
        assert self._addresses is not None
        return self._addresses

    def close(self) -> None:
        """Stop serving, once the worker has left or will not come."""
        self._closed.set()

    async def serve(
        self,
        addr: str | None,
        listener: trio.abc.Listener[trio.abc.Stream] | None = None,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve at `addr`, or what comes by `listener`, until `close` is called.

        Started once clients can connect.
        """
        access = am_rpc.Access(read=frozenset({"WorkerAddr"}), write=frozenset({"WorkerAddr"}))
        async with (
            self.mach,
            am_rpc.Mux(
                self.mach,
                addr,
                listener=listener,
                secret=self.token,
                access=access,
                push_interval=0,
                max_clients=4,
            ) as mux,
        ):
            self.mach.add("Start")
            self.addr = mux.addr
            task_status.started()
            await self._closed.wait()
