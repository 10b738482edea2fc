"""Starting workers as tasks of Slurm: ``srun`` forwards stdin and output of one task each.

Ending ``srun`` leaves its job running, and ``SIGTERM`` makes it kill the task at once. So a worker
is asked to drain by the end of its stdin alone, and killed through ``scancel``.
"""

from __future__ import annotations

import os
import re
import signal as signals
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import trio

from .names import job_name
from .remote import WORKER, FarProcess, RemoteLauncher, call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .base import ExitInfo, Resources, WorkerSpec

# What Slurm's own programs begin their lines with.
_OWN_LINE = re.compile(r"(srun|slurmstepd)(-[\w.-]+)?: ")
_FIRST_LOOK = 1.0
_LOOK = 5.0
# Slurm takes a moment to forget what it has ended.
_GONE_LOOK = 0.2
_GONE_SECONDS = 15.0
_MEBIBYTE = 2**20
_SIGNALLED = 128


@dataclass(frozen=True)
class _Step:
    """A job, or a step in one, as ``scancel`` takes it, and what it waits for."""

    id: str
    name: str
    is_pending: bool = False
    reason: str = ""


class SlurmLauncher(RemoteLauncher):
    """Starts each worker as one task of ``srun``: a job of its own or, inside of an allocation, a
    step of that.

    Args:
        partition, account, qos, constraint, nodelist, exclude, reservation: as for ``srun``.
        time: minutes, or a text such as ``"02:00:00"``, after which Slurm ends the job.
        drain_before: seconds before that limit at which the worker is asked to drain.
        cpus, memory: processors and bytes of a worker for which the supervisor's `resources` say
            nothing. A job that names no memory gets a whole node's on many clusters.
        overlap: let steps of one allocation share its processors.
        container: an image or bundle, for clusters that run those.
        options: more of srun's, such as ``["--comment=mine"]``.
        command: what is run on the node, where this package has to be installed.
        srun, scancel, squeue: the commands.
        start_timeout: seconds from the start of the task until the worker reports. How long a job
            waits in the queue is Slurm's affair.

    Jobs are named ``<supervisor>.<worker>``. The boot configuration, secrets in it, goes down
    stdin. A job that Slurm preempts gets ``SIGTERM`` first, as far as the partition has a grace
    time: its worker drains.

    :raises ValueError: for an option that cannot be meant.
    """

    def __init__(
        self,
        *,
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        constraint: str | None = None,
        nodelist: str | None = None,
        exclude: str | None = None,
        reservation: str | None = None,
        time: int | str | None = None,
        drain_before: int | None = None,
        cpus: int = 1,
        memory: int = 1024 * _MEBIBYTE,
        overlap: bool = False,
        container: str | None = None,
        options: Sequence[str] = (),
        command: Sequence[str] = WORKER,
        srun: str = "srun",
        scancel: str = "scancel",
        squeue: str = "squeue",
        start_timeout: float = 60.0,
    ) -> None:
        super().__init__(command, start_timeout=start_timeout)
        if isinstance(options, str) or not all(option.startswith("-") for option in options):
            raise ValueError(f"options of srun begin with a dash: {options!r}")
        if drain_before is not None and (time is None or drain_before < 1):
            raise ValueError("drain_before needs a time limit, and is a number of seconds")
        self._inside = bool(os.environ.get("SLURM_JOB_ID"))
        given = {
            "partition": partition,
            "account": account,
            "qos": qos,
            "constraint": constraint,
            "nodelist": nodelist,
            "exclude": exclude,
            "reservation": reservation,
            "time": time,
            "signal": None if drain_before is None else f"TERM@{drain_before}",
            "container": container,
        }
        if any(str(value).startswith("-") for value in given.values()):
            raise ValueError(f"what begins with a dash is no value for srun: {given!r}")
        self._options = [f"--{name}={value}" for name, value in given.items() if value is not None]
        if overlap:
            self._options.append("--overlap")
        elif self._inside:
            self._options.append("--exact")  # no more than it asks for, so that others fit beside
        self._options += options
        self._cpus, self._memory = cpus, memory
        self._srun, self._scancel, self._squeue = srun, scancel, squeue
        self._steps: dict[str, _Step] = {}
        self._looked = float("-inf")
        self._looking = trio.Lock()

    def prefix_for(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The call of ``srun``."""
        return (
            self._srun,
            f"--job-name={job_name(spec)}",
            "--ntasks=1",
            "--quiet",
            "--unbuffered",
            *self._needs(spec.resources),
            *self._options,
        )

    def _needs(self, resources: Resources) -> Iterator[str]:
        cpus = self._cpus if resources.cpus is None else resources.cpus
        memory = self._memory if resources.memory is None else resources.memory
        yield f"--cpus-per-task={max(1, round(cpus))}"
        yield f"--mem={max(1, memory // _MEBIBYTE)}M"
        if resources.gpus:
            yield f"--gpus-per-task={resources.gpus}"

    def take_line(self, far: FarProcess, stream: str, line: str) -> bool:
        """What Slurm's programs say themselves."""
        return stream == "stderr" and _OWN_LINE.match(line) is not None

    async def watch(self, far: FarProcess) -> None:
        """Ask the queue, one call for all workers that wait."""
        await trio.sleep(_FIRST_LOOK)
        while not far.is_placed:
            steps = await self._find()
            step = steps.get(job_name(far.spec))
            if step is not None and step.is_pending and not far.is_placed:
                far.pending = far.waited_for = step.reason or "queued"
            await trio.sleep(_LOOK)

    async def end(self, far: FarProcess) -> None:
        """Kill the step, or take the job out of the queue."""
        for target in await self._targets(far):
            await call(self._scancel, "--quiet", "--signal=KILL", target)

    async def sweep(self, far: FarProcess) -> None:
        """Cancel until Slurm has forgotten it."""
        with trio.move_on_after(_GONE_SECONDS):
            while steps := await self._targets(far):
                for target in steps:
                    await call(self._scancel, "--quiet", target)
                await trio.sleep(_GONE_LOOK)

    async def _targets(self, far: FarProcess) -> list[str]:
        steps = await self._find(fresh=True)
        step = steps.get(job_name(far.spec))
        return [] if step is None else [step.id]

    async def _find(self, fresh: bool = False) -> Mapping[str, _Step]:
        """The queue by names of jobs; unless `fresh`, as it was up to a look ago."""
        asked = trio.current_time()
        async with self._looking:
            if self._looked >= (asked if fresh else asked - _LOOK / 2):
                return self._steps
            now = trio.current_time()
            code, text = await call(self._squeue, *self._question())
            if code == 0:
                self._steps, self._looked = dict(_read(text)), now
            return self._steps

    def _question(self) -> tuple[str, ...]:
        if self._inside:
            return (
                "--noheader",
                "--steps",
                f"--jobs={os.environ['SLURM_JOB_ID']}",
                "--format=%i|%j",
            )
        return ("--noheader", f"--user={os.getuid()}", "--format=%i|%j|%t|%r")

    def judge(self, far: FarProcess, info: ExitInfo) -> ExitInfo:
        """Above 128 it stands for a signal, as with a shell; Slurm's own words are the reason."""
        if info.code is not None and info.code > _SIGNALLED:
            info = replace(info, code=None, signal=info.code - _SIGNALLED)
        elif info.ok and (far.told or far.kill_asked.is_set()):
            # Of a step that was cancelled, or of a node that went away, srun says 0.
            killed = int(signals.SIGKILL) if far.kill_asked.is_set() else None
            info = replace(info, code=None, signal=killed)
        reasons = [info.reason] if info.reason else []
        if not info.ok and far.told:
            reasons.append(far.told)
        if not far.is_placed:
            reasons.append(f"it waited for: {far.waited_for or far.pending}")
        return replace(info, reason="; ".join(reasons))


def _read(text: str) -> Iterator[tuple[str, _Step]]:
    for line in text.splitlines():
        parts = line.split("|", 3)
        if len(parts) < 2:
            continue
        state, reason = ([*parts, "", ""])[2:4]
        yield parts[1], _Step(parts[0], parts[1], state == "PD", reason)
