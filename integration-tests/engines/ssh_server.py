"""A real sshd on a port of loopback, with keys that live as long as it does."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING, Any

from am_node.ssh import SshLauncher

from .services import Services, free_port, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import am_node

PROGRAMS = {"sshd": "openssh-server", "ssh": "openssh-client"}
_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserEnvironment no
MaxStartups 100
MaxSessions 100
"""


class SshServer:
    """One host that can be reached by ssh."""

    name = "ssh"
    queues = False

    def __init__(self, services: Services, sshd: str) -> None:
        self.services = services
        self._sshd = sshd
        self.port = free_port()

    def start(self) -> None:
        """Make the keys and start it."""
        folder = self.services.folder
        for key in ("host_key", "user_key"):
            self.services.run(
                "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{key}"
            )
        (folder / "sshd_config").write_text(_CONFIG.format(port=self.port, folder=folder))
        host_key = (folder / "host_key.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}")
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # where it locks itself in
        command = (self._sshd, "-D", "-e", "-f", f"{folder}/sshd_config")
        self.process = self.services.start("sshd", command)
        until(self._answers, 10, "sshd does not listen")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Nothing: its processes are the services'."""

    def settings(self, command: Sequence[str]) -> dict[str, Any]:
        """The arguments of its launcher."""
        folder = self.services.folder
        return {
            "hosts": ["127.0.0.1"],
            "slots": 20,
            "command": list(command),
            "ssh": ["ssh", "-F", "none"],
            "user": getpass.getuser(),
            "port": self.port,
            "identity": f"{folder}/user_key",
            "known_hosts": f"{folder}/known_hosts",
        }

    def launcher(self, command: Sequence[str]) -> am_node.Launcher:
        """What starts workers here."""
        return SshLauncher(**self.settings(command))

    def left(self) -> list[str]:
        """Sessions that are still open."""
        own = self.process.pid
        return [f"process {pid}" for pid in self.services.descendants() if pid != own]

    def occupy(self) -> None:
        """Nothing: it has room for all."""

    def make_room(self) -> None:
        """Nothing, either."""

    def cut_off(self) -> None:
        """Close every connection, as a host does that goes away."""
        for pid in _children(self.process.pid):
            os.kill(pid, 9)

    def bring_back(self) -> None:
        """Nothing: it takes connections all the time."""


def _children(pid: int) -> list[int]:
    from pathlib import Path

    path: Path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]
