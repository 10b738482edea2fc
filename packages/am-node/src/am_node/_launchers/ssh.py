"""Starting workers on other hosts by ssh."""

from __future__ import annotations

import itertools
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from .remote import WORKER, FarProcess, RemoteLauncher, call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio import TaskStatus

    from .base import ExitInfo, WorkerHandle, WorkerSpec

# What the client itself exits with: its connection failed, or a signal ended what ran there.
_CUT_OFF = 255


class SshLauncher(RemoteLauncher):
    """Starts workers on `hosts`, at most `slots` on each, by ``ssh -T -- host exec <command>``.

    The connection's stdin is the lifeline, so a worker ends with its supervisor or its connection.
    Killing one takes a second connection, since ending the first is only a request. Hosts take
    turns; a worker for which no slot is free waits for one.

    Args:
        hosts: names or addresses, as ssh takes them (``user@host``, an alias of its configuration).
        slots: workers on each host at most.
        command: what is run there, where this package has to be installed.
        ssh: the client's command, with options if need be.
        user, port: for all hosts.
        identity: file of the private key.
        known_hosts: file with the keys of the hosts.
        connect_timeout: seconds for the connection. One that is silent for twice five seconds is
            given up.
        options: more of ssh's, such as ``{"ProxyJump": "gate"}``.
        start_timeout: seconds from the start of the process there until it reports.

    The client never asks for a password: what it cannot log in to by a key is an error.

    :raises ValueError: without hosts, or for a host that ssh would take for an option.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        slots: int = 1,
        *,
        command: Sequence[str] = WORKER,
        ssh: Sequence[str] = ("ssh",),
        user: str | None = None,
        port: int | None = None,
        identity: str | None = None,
        known_hosts: str | None = None,
        connect_timeout: float = 10.0,
        options: Mapping[str, str] | None = None,
        start_timeout: float = 60.0,
    ) -> None:
        if isinstance(hosts, str) or not hosts or slots < 1:
            raise ValueError("give at least one host and one slot on each")
        for host in hosts:
            if not isinstance(host, str) or not host or host.startswith("-"):
                raise ValueError(f"{host!r} is not a host")
        super().__init__(command, start_timeout=start_timeout)
        given = {
            "BatchMode": "yes",
            "ConnectTimeout": str(max(1, round(connect_timeout))),
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "2",
            "User": user,
            "Port": None if port is None else str(port),
            "IdentityFile": identity,
            "UserKnownHostsFile": known_hosts,
            **(options or {}),
        }
        flags = [f"-o{name}={value}" for name, value in given.items() if value is not None]
        self._ssh = (*ssh, *flags, "-T", "--")
        self._slots = slots
        self._used = dict.fromkeys(hosts, 0)
        self._turn = itertools.cycle(self._used)
        self._freed = trio.Event()
        self._places: dict[str, str] = {}

    def command_for(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The ssh command; what the remote shell sees is quoted."""
        remote = shlex.join(spec.command or self.command)
        return (*self._ssh, self._places[spec.worker_id], f"exec {remote}")

    async def run(
        self,
        spec: WorkerSpec,
        task_status: TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> ExitInfo:
        """Start one worker on a host with a free slot; waits for one if need be.

        :raises OSError: if there is no ssh.
        """
        host = await self._place()
        self._places[spec.worker_id] = host
        try:
            return await super().run(spec, task_status)
        finally:
            del self._places[spec.worker_id]
            self._used[host] -= 1
            self._freed.set()
            self._freed = trio.Event()

    async def watch(self, far: FarProcess) -> None:
        """Until the process runs there, the connection is what it waits for."""
        far.pending = f"connecting to {self._places[far.spec.worker_id]}"

    async def end(self, far: FarProcess) -> None:
        """Kill its process group there; what has not begun yet ends with the connection."""
        if not far.is_placed:
            far.terminate()
            return
        pid = far.place[0]
        if pid.isdigit():
            # Most servers give each command a group of its own.
            kill = f"kill -s KILL -- -{pid} || kill -s KILL {pid}"
            await call(*self._ssh, self._places[far.spec.worker_id], f"exec sh -c '{kill}'")

    def judge(self, far: FarProcess, info: ExitInfo) -> ExitInfo:
        """An end of the client's own tells nothing of the worker's."""
        host = self._places[far.spec.worker_id]
        if info.code != _CUT_OFF:
            return info
        if not far.is_placed:
            return replace(info, reason=f"no worker could be started by ssh on {host}")
        why = "killed" if far.kill_asked.is_set() else "a signal, or the connection was lost"
        return replace(info, code=None, reason=f"{why}, on {host}")

    async def _place(self) -> str:
        while True:
            for host in itertools.islice(self._turn, len(self._used)):
                if self._used[host] < self._slots:
                    self._used[host] += 1
                    return host
            await self._freed.wait()
