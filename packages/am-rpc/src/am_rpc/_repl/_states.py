"""The schema of the REPL's own machine."""

from __future__ import annotations

import am_helpers as ah
import am_machine as am


def _command(doc: str) -> am.State:
    return am.State(multi=True, require=["Connected"], doc=doc)


class ReplStates(ah.Basic, ah.ConnPool, ah.Disposed):
    """A pool of connections to machines, and the commands that run on them."""

    ErrSyntax = am.State(multi=True, require=["Exception"], doc="A command was not understood.")
    ErrNetwork = am.State(
        multi=True, require=["Exception"], remove=["ConnectedFully"], doc="A connection failed."
    )
    RpcConn = am.State(multi=True, doc="A machine was connected: `addr`, `id`. An event.")
    RpcDisconn = am.State(
        multi=True, doc="A machine was lost, or not reached: `addr`, `id`, `err`. An event."
    )
    CmdAdd = _command("States are being added: `words` of the command.")
    CmdRemove = _command("States are being removed: `words`.")
    CmdGroupAdd = _command("States are being added to many machines: `words`.")
    CmdGroupRemove = _command("States are being removed from many machines: `words`.")
    CmdList = _command("Machines are being listed: `words`.")
    CmdScript = _command("A script runs: `words`.")
    CmdWhen = _command("Waiting for active states or for args: `words`.")
    CmdWhenNot = _command("Waiting for inactive states: `words`.")
    CmdWhenTime = _command("Waiting for ticks: `words`.")
    CmdInspect = _command("A machine is being looked at: `words`.")
    CmdStatus = _command("Connections are being counted: `words`.")
    ReplMode = am.State(multi=True, require=["Start"], doc="The shell runs; again at each prompt.")
    ListMachines = am.State(multi=True, require=["Start"], doc="The shell shows the machines.")
    AddrChanged = am.State(multi=True, require=["Start"], doc="Address files have changed.")
