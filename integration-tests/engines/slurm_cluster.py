"""A real Slurm of one node on loopback: munged, slurmctld, slurmd, all in one private folder."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from am_node.slurm import SlurmLauncher

from .services import Services, free_port, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    import am_node

PROGRAMS = {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "munged": "munge"}
NODE = "node1"
PARTITION, URGENT = "long", "urgent"
GRACE = 20  # seconds which a job has to end once another one is to take its place
CPUS, MEMORY = 16, 16_000  # as many as the tests need, whatever this machine has
_CONFIG = """\
ClusterName=one
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_min_interval=100000
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
ReturnToService=0
KillWait=2
SlurmdTimeout=10
MpiDefault=none
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory}
PartitionName={partition} Nodes=ALL Default=YES MaxTime=INFINITE State=UP GraceTime={grace}
PartitionName={urgent} Nodes=ALL PriorityTier=2 PreemptMode=OFF State=UP
"""


class SlurmCluster:
    """One controller, one node."""

    name = "slurm"
    queues = True

    def __init__(self, services: Services) -> None:
        self.services = services
        self.config = services.folder / "slurm.conf"
        self._occupier = ""

    def start(self) -> None:
        """Start its three daemons and wait until the node is idle."""
        services, folder = self.services, self.services.folder
        for name in ("state", "spool", "munge"):
            (folder / name).mkdir(mode=0o700)
        (folder / "munge" / "key").touch(0o600)
        (folder / "munge" / "key").write_bytes(os.urandom(1024))
        self.config.write_text(
            _CONFIG.format(
                ctld_port=free_port(),
                d_port=free_port(),
                folder=folder,
                node=NODE,
                host=socket.gethostname().partition(".")[0],
                cpus=CPUS,
                memory=MEMORY,
                partition=PARTITION,
                urgent=URGENT,
                grace=GRACE,
            )
        )
        # Commands find the cluster by it, and so do the jobs.
        os.environ["SLURM_CONF"] = str(self.config)
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
        options = [f"--{name}={folder}/munge/{file}" for name, file in files.items()]
        log = f"--log-file={folder}/munge/log"
        services.start("munged", ("munged", "--foreground", "--force", log, *options))
        until((folder / "munge" / "socket").exists, 10, "munged does not listen")
        services.start("slurmctld", ("slurmctld", "-D", "-f", str(self.config)))
        services.start("slurmd", ("slurmd", "-D", "-N", NODE, "-f", str(self.config)))
        until(lambda: self._says("sinfo", "-h", "-o", "%t") == "idle", 30, "the node is not idle")

    def _says(self, *command: str) -> str:
        try:
            return self.services.run(*command).strip()
        except RuntimeError:
            return ""

    def stop(self) -> None:
        """Nothing: its processes are the services'."""

    def settings(self, command: Sequence[str]) -> dict[str, Any]:
        """The arguments of its launcher."""
        return {"partition": PARTITION, "memory": 200 * 2**20, "command": list(command)}

    def launcher(self, command: Sequence[str]) -> am_node.Launcher:
        """What starts workers here."""
        return SlurmLauncher(**self.settings(command))

    def left(self) -> list[str]:
        """Jobs and steps that are still there."""
        jobs = self.services.run("squeue", "-h", "-o", "job %i %j %T").splitlines()
        return jobs + self.services.run("squeue", "-h", "--steps", "-o", "step %i %j").splitlines()

    def occupy(self) -> None:
        """Have a job take the whole node."""
        self._take_node()

    def preempt(self) -> None:
        """Have a job that goes first take the whole node, whoever runs there."""
        self._take_node(f"--partition={URGENT}")

    def _take_node(self, *options: str) -> None:
        whole = ("--exclusive", "--mem=0", "--output=/dev/null", "--wrap=sleep 3600")
        self._occupier = self.services.run("sbatch", "--parsable", *options, *whole).strip()
        until(lambda: self._state_of_occupier() == "RUNNING", 60, "no job takes the node")

    def make_room(self) -> None:
        """Cancel that job."""
        self.services.run("scancel", self._occupier)
        until(lambda: not self._state_of_occupier(), 30, "the job is not gone")

    def _state_of_occupier(self) -> str:
        return self._says("squeue", "-h", f"--jobs={self._occupier}", "-o", "%T")

    def cut_off(self) -> None:
        """Take the node down, with what runs there."""
        self._node("down")

    def bring_back(self) -> None:
        """Have the node take jobs again."""
        self._node("resume")
        until(lambda: self._says("sinfo", "-h", "-o", "%t") == "idle", 30, "the node is not idle")

    def _node(self, state: str) -> None:
        self.services.run("scontrol", "update", f"NodeName={NODE}", f"State={state}", "Reason=test")
