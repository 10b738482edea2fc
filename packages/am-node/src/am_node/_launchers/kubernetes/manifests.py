"""What a worker is in the words of a cluster: a pod, and the secret with its configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..._boot import BOOT_VARIABLE, boot_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..base import Resources, WorkerSpec
    from .api import Thing

CONTAINER = "worker"
MANAGED = {"app.kubernetes.io/managed-by": "am-node"}
_MOST = 63  # characters of a name, or of the value of a label
_GPU = "nvidia.com/gpu"
# What the launcher itself says of a container; the rest is the user's.
_OWN_CONTAINER = frozenset({"name", "image", "command", "args", "env", "resources"})
_OWN_SPEC = frozenset({"containers", "restartPolicy", "terminationGracePeriodSeconds"})


@dataclass(frozen=True)
class PodTemplate:
    """What all pods of a launcher have in common."""

    image: str
    command: Sequence[str]
    cpus: float
    memory: int
    gpu: str = _GPU
    grace: int = 60
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.image or isinstance(self.command, str):
            raise ValueError("give an image, and a command as a list of words")
        if self.grace < 1:
            raise ValueError(f"grace is a number of seconds, not {self.grace!r}")
        for mine, given in ((_OWN_CONTAINER, self.container), (_OWN_SPEC, self.spec)):
            if taken := sorted(mine & set(given)):
                raise ValueError(f"{', '.join(taken)}: there is an argument of its own for that")
        if BOOT_VARIABLE in self.env:
            raise ValueError(f"{BOOT_VARIABLE} is the launcher's own")

    def manifests(
        self, name: str, spec: WorkerSpec, owner: tuple[str, str] | None
    ) -> tuple[Thing, Thing]:
        """The secret and the pod of one worker, both owned by the pod `owner`, name and uid."""
        metadata: Thing = {
            "name": name,
            "labels": {**self.labels, **_labels(spec)},
            "annotations": {**self.annotations, **_annotations(spec)},
        }
        if owner is not None:
            metadata["ownerReferences"] = [owned_by(*owner)]
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "Opaque",
            "immutable": True,
            "stringData": boot_environment(spec.config),
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {
                "automountServiceAccountToken": False,  # work is no business of the cluster's
                "enableServiceLinks": False,
                # The first process of the pod is then not the worker, and reaps what it leaves.
                "shareProcessNamespace": True,
                "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                **self.spec,
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": self.grace,
                "containers": [self._container(name, spec)],
            },
        }
        return secret, pod

    def _container(self, secret: str, spec: WorkerSpec) -> Thing:
        source = {"secretKeyRef": {"name": secret, "key": BOOT_VARIABLE}}
        given = [{"name": key, "value": value} for key, value in self.env.items()]
        return {
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            **self.container,
            "name": CONTAINER,
            "image": self.image,
            "command": list(spec.command or self.command),
            "env": [*given, {"name": BOOT_VARIABLE, "valueFrom": source}],
            "resources": self._resources(spec.resources),
        }

    def _resources(self, wanted: Resources) -> Thing:
        """Processors are a share, which idle ones may exceed; memory and GPUs are limits."""
        cpus = self.cpus if wanted.cpus is None else wanted.cpus
        memory = str(self.memory if wanted.memory is None else wanted.memory)
        limits = {"memory": memory}
        if wanted.gpus:
            limits[self.gpu] = str(wanted.gpus)
        return {
            "requests": {"cpu": f"{max(1, round(cpus * 1000))}m", "memory": memory},
            "limits": limits,
        }


def owned_by(name: str, uid: str) -> Thing:
    """A reference: what has it is removed with the pod that it names."""
    return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}


def pod_name(worker_id: str) -> str:
    """The worker's id as a cluster takes it; its end, which is random, is kept."""
    return re.sub(r"[^a-z0-9-]", "-", worker_id.lower())[-_MOST:].strip("-")


def _labels(spec: WorkerSpec) -> dict[str, str]:
    told = {**_annotations(spec), "app.kubernetes.io/name": "am-node-worker"}
    return {**{key: _label(value) for key, value in told.items()}, **MANAGED}


def _annotations(spec: WorkerSpec) -> dict[str, str]:
    """What `WorkerSpec` tells of the worker, whole; labels may hold less of it."""
    told = {f"am-node/{key}": value for key, value in spec.labels.items()}
    return {**told, "am-node/worker": spec.worker_id}


def _label(value: str) -> str:
    """A value that a label may have."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", value)[-_MOST:].strip("-_.")
