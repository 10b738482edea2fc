"""The served side: put a machine where `arpc` can find it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, Unpack

import trio

import am_machine as am

from .._errors import NetworkError, RpcError
from .._server.mux import Mux
from .._transport.address import parse_address
from .._transport.user_sockets import has_user_sockets, user_socket
from . import _addr_files

if TYPE_CHECKING:
    from types import TracebackType

    from .._server.mux_options import MuxOptions

logger: Final = logging.getLogger("am_rpc")
# Where there are no unix sockets.
_LOOPBACK: Final = "127.0.0.1:0"
_ON: Final = frozenset(("1", "true", "on"))
_OFF: Final = frozenset(("", "0", "false", "off"))


class ReplServer:
    """A machine that is served for `arpc`; made by `repl`.

    It ends with its machine. `await ready()` tells where it listens; as `async with` it also stops
    serving at the end of the block.
    """

    def __init__(
        self, mach: am.MachineApi, addr: str, folder: Path | None, options: MuxOptions
    ) -> None:
        self._mach = mach
        self._mux = Mux(mach, addr, **options)
        self._folder = folder
        self._scope = trio.CancelScope()
        self._listening = trio.Event()
        self._ended = trio.Event()
        self._error: Exception | None = None
        self.path: Path | None = None

    @property
    def addr(self) -> str:
        """Where it listens; before it does, the address that was asked for."""
        return self._mux.addr

    async def ready(self) -> str:
        """Wait until it listens and return the address.

        Raises:
            NetworkError: the address cannot be listened on, its file cannot be written, or the
                machine was disposed.
        """
        await self._listening.wait()
        if self._error is not None:
            raise NetworkError(f"not served: {self._error}") from self._error
        if self._ended.is_set():
            raise NetworkError("not served any more")
        return self.addr

    async def aclose(self) -> None:
        """Stop serving and wait for the end of it; the machine goes on."""
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._ended.wait()

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def serve(self) -> None:
        """Serve until cancelled; a task of the machine."""
        try:
            with self._scope:
                async with self._mux:
                    await self._serve_named()
        except (RpcError, OSError) as error:
            self._error = error
            logger.warning("%s is not served for arpc: %s", self._mach.id, error)
        finally:
            self.end()

    def end(self) -> None:
        """Nobody needs to wait any more: it serves no longer, or never will."""
        self._listening.set()
        self._ended.set()

    async def _serve_named(self) -> None:
        if self._folder is not None:
            self.path = _addr_files.write(self._folder, self._mach.id, self.addr)
        try:
            self._listening.set()
            logger.info("%s is served for arpc at %s", self._mach.id, self.addr)
            await trio.sleep_forever()
        finally:
            if self.path is not None:
                _addr_files.remove(self.path, self.addr)


def repl(
    mach: am.MachineApi,
    addr: str | None = None,
    dir: str | os.PathLike[str] | None = None,
    **options: Unpack[MuxOptions],
) -> ReplServer:
    """Serve a machine for `arpc`, from now or from when it is opened until it is disposed.

    Args:
        mach: the machine.
        addr: where to listen; port 0 picks a free one. None is a socket in a directory of this
            user, where `arpc` without an address looks: other users of the host cannot connect.
        dir: directory for the file `<machine id>.addr` (mode 0600, removed at the end) by which
            `arpc -d DIR` finds the machine; made if it is missing. None writes no file.
        options: those of `Mux`, for example `secret`.

    A fault is logged and does not disturb the machine; `await repl(...).ready()` raises it.

    Raises:
        ValueError: a bad address.
        OSError: without an address, if the directory for it is not this user's alone.
    """
    if addr is None:
        addr = user_socket(mach.id) if has_user_sockets() else _LOOPBACK
    server = ReplServer(mach, addr, None if dir is None else Path(dir), options)
    try:
        mach.fork(server.serve)
    except am.NotOpenError:
        mach.bind_tracer(_WhenOpen(mach, server))
    return server


class _WhenOpen(am.Tracer):
    """Starts serving once the machine is open."""

    def __init__(self, mach: am.MachineApi, server: ReplServer) -> None:
        self._mach: object = mach
        self._server = server

    def machine_open(self, machine: am.BaseMachine) -> None:
        if machine is self._mach:
            machine.detach_tracer(self)
            machine.fork(self._server.serve)

    def machine_dispose(self, machine: am.BaseMachine) -> None:
        if machine is self._mach:
            self._server.end()


def repl_env(mach: am.MachineApi) -> ReplServer | None:
    """Serve a machine for `arpc` if the environment says so; None if it does not.

    `AM_REPL_ADDR` is the address (`1` stands for a socket in this user's directory), `AM_REPL_DIR`
    the directory for the address file. A value that makes no sense is logged and ignored.
    """
    value = os.environ.get("AM_REPL_ADDR", "").strip()
    if value.lower() in _OFF:
        return None
    addr = None if value.lower() in _ON else value
    try:
        if addr is not None:
            parse_address(addr)
        return repl(mach, addr, os.environ.get("AM_REPL_DIR") or None)
    except (ValueError, OSError) as error:
        logger.warning("AM_REPL_ADDR: %s: ignored", error)
        return None
