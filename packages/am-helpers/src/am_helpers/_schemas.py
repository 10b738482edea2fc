"""Schemas to mix into one's own: the states which most machines share.

Each is valid alone. ``Connected``, ``ConnPool`` and ``Disposed`` therefore declare a plain
``Start`` as their last own state; mixed after `Basic` they take its place in the index instead of
adding one.
"""

from __future__ import annotations

import am_machine as am

from ._errors import ConnectingError

# A state given its own group as ``remove`` leaves itself out of it when the schema is compiled.
_CONNECTION = ("Connecting", "Connected", "Disconnecting", "Disconnected")


class Basic(am.States):
    """Errors, start, readiness and health, the states that every long-lived machine needs."""

    Exception = am.State(multi=True, doc="An error was recorded in ``machine.err``.")
    ErrNetwork = am.State(
        multi=True, add=[Exception], require=[Exception], doc="The network failed."
    )
    ErrHandlerTimeout = am.State(
        multi=True, add=[Exception], require=[Exception], doc="A handler took longer than allowed."
    )
    Start = am.State(doc="The machine has been started.")
    Ready = am.State(require=[Start], doc="The machine does its work.")
    Healthcheck = am.State(multi=True, doc="A periodic check of the machine's health.")
    Heartbeat = am.State(doc="A sign of life, removed by its handler.")


class Connected(am.States):
    """One connection: exactly one of its four phases is active."""

    ErrConnecting = am.State(require=["Exception"], doc="Connecting failed.")
    Connecting = am.State(
        require=["Start"], remove=_CONNECTION, doc="The connection is being made."
    )
    Connected = am.State(require=["Start"], remove=_CONNECTION, doc="The connection is up.")
    Disconnecting = am.State(remove=_CONNECTION, doc="The connection is being closed.")
    Disconnected = am.State(auto=True, remove=_CONNECTION, doc="There is no connection.")
    Start = am.State(doc="The machine has been started.")

    class Groups:
        """Named groups of states."""

        Connected: tuple[str, ...] = _CONNECTION


class ConnPool(am.States):
    """A pool of connections: some, all, or none of them are up."""

    ErrConnecting = am.State(require=["Exception"], doc="Connecting failed.")
    Connecting = am.State(
        require=["Start"], remove=["Disconnecting"], doc="Connections are being made."
    )
    Connected = am.State(
        require=["Start"], remove=["Disconnected"], doc="At least one connection is up."
    )
    ConnectedFully = am.State(
        require=[Connected], remove=["Disconnected"], doc="Every connection is up."
    )
    Disconnecting = am.State(
        remove=[ConnectedFully, Connected, Connecting], doc="Connections are being closed."
    )
    Disconnected = am.State(
        remove=[Connecting, ConnectedFully, Disconnecting], doc="No connection is up."
    )
    Start = am.State(doc="The machine has been started.")

    class Groups:
        """Named groups of states."""

        Connected: tuple[str, ...] = ("Connected", "Disconnected")


class Disposed(am.States):
    """Disposal which may take time; bind a `DisposedHandlers` with it."""

    RegisterDisposal = am.State(multi=True, doc="Registers ``fn`` to be called on disposal.")
    Disposing = am.State(remove=["Start"], doc="Registered functions are running.")
    Disposed = am.State(remove=["Start", "Exception", Disposing], doc="The machine is disposed.")
    Start = am.State(doc="The machine has been started.")


def add_err_connecting(mach: am.MachineApi, exc: BaseException, /, **args: object) -> am.Result:
    """Add ``ErrConnecting`` with the error wrapped in a `ConnectingError`; ``__cause__`` is kept.

    :raises am.UnknownStateError: if the machine has no ``ErrConnecting``.
    """
    wrapped = ConnectingError(str(exc) or type(exc).__name__)
    wrapped.__cause__ = exc
    return mach.add_err("ErrConnecting", wrapped, **args)
