"""Starting workers as pods of Kubernetes, through its API server.

A pod has no stdin that ends with its supervisor. Its worker ends when the link to the supervisor
is gone for half a minute, and the cluster removes the pod with the supervisor's own.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import trio

from ..remote import WORKER
from . import status
from .access import find_access
from .api import Api, ApiError
from .manifests import MANAGED, PodTemplate, pod_name
from .pod import Pod

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio import TaskStatus

    from ..base import ExitInfo, WorkerHandle, WorkerSpec

_log = logging.getLogger("am_node")

# A supervisor removes the pods of its workers as they end. One that is left for so long after its
# end was a worker of a supervisor that is gone.
_STALE = timedelta(minutes=10)


class KubernetesLauncher:
    """Starts each worker as a pod of `image`, which has this package and the worker's class.

    Args:
        image: what the worker's container is made of.
        namespace: where pods are created; by default what the kubeconfig or the service account
            says.
        kubeconfig: a file that says where the cluster is, and who asks. By default those that
            ``KUBECONFIG`` names, the service account of the pod that this runs in, or
            ``~/.kube/config``.
        context: the context of the kubeconfig.
        cpus, memory: processors and bytes of a worker for which the supervisor's `resources` say
            nothing. Memory is a limit as well.
        gpu: what GPUs are called in the cluster.
        grace: seconds from the end of a worker being asked for, by whomever, until it is killed.
        service_account, priority_class, runtime_class: names of what the cluster has.
        node_selector: labels of the nodes to run on.
        tolerations: of taints of nodes, as in a manifest.
        image_pull_policy: as in a manifest.
        image_pull_secrets: names of secrets with the registry's passwords.
        labels, annotations: more of a pod's; those of the launcher's win.
        env: variables of the worker's process.
        container, spec: more of the container and of the pod, as in a manifest; they win over what
            the launcher would say of the same, such as a ``securityContext``.
        owner: name and uid of the pod with which all workers are to be removed. By default the one
            that this runs in, if the service account of that is used.
        command: what is run in the container.
        start_timeout: seconds from the start of the process until the worker reports; and those
            for which a node may fail to start it, for want of the image perhaps, until it is given
            up. How long a pod waits for a node is the cluster's affair.

    A pod is named after its worker and labelled ``am-node/supervisor`` and ``am-node/kind``. The
    boot configuration, secrets in it, is in a secret that is removed with the pod. A pod that is
    evicted, preempted or deleted gets ``SIGTERM`` first: its worker drains.

    :raises OSError: if no cluster is to be found.
    :raises ValueError: for an option that cannot be meant, or a kubeconfig that cannot be used.
    """

    same_host = False
    lifeline = False
    output = True

    def __init__(
        self,
        image: str,
        *,
        namespace: str | None = None,
        kubeconfig: str | None = None,
        context: str | None = None,
        cpus: float = 1,
        memory: int = 1024 * 2**20,
        gpu: str = "nvidia.com/gpu",
        grace: int = 60,
        service_account: str | None = None,
        priority_class: str | None = None,
        runtime_class: str | None = None,
        node_selector: Mapping[str, str] | None = None,
        tolerations: Sequence[Mapping[str, Any]] = (),
        image_pull_policy: str | None = None,
        image_pull_secrets: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        container: Mapping[str, Any] | None = None,
        spec: Mapping[str, Any] | None = None,
        owner: tuple[str, str] | None = None,
        command: Sequence[str] = WORKER,
        start_timeout: float = 60.0,
    ) -> None:
        if not start_timeout > 0:
            raise ValueError(f"start_timeout must be a number of seconds, not {start_timeout!r}")
        self.start_timeout = start_timeout
        names = {
            "serviceAccountName": service_account,
            "priorityClassName": priority_class,
            "runtimeClassName": runtime_class,
            "nodeSelector": dict(node_selector or {}),
            "tolerations": [dict(toleration) for toleration in tolerations],
            "imagePullSecrets": [{"name": name} for name in image_pull_secrets],
        }
        policy = {"imagePullPolicy": image_pull_policy} if image_pull_policy else {}
        self.template = PodTemplate(
            image=image,
            command=command,
            cpus=cpus,
            memory=memory,
            gpu=gpu,
            grace=grace,
            labels=dict(labels or {}),
            annotations=dict(annotations or {}),
            env=dict(env or {}),
            container={**policy, **(container or {})},
            spec={**{key: value for key, value in names.items() if value}, **(spec or {})},
        )
        access = find_access(kubeconfig, context)
        self._access = access if namespace is None else replace(access, namespace=namespace)
        # The pod that this runs in can own others of its own namespace alone.
        self._own_pod = access.pod if self._access.namespace == access.namespace else ""
        self._owner = owner
        self._preparing = trio.Lock()
        self._is_prepared = False

    async def run(
        self,
        spec: WorkerSpec,
        task_status: TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> ExitInfo:
        """Create a pod, follow it to its end, remove it; cancelling removes it at once.

        :raises OSError: if it cannot be created.
        """
        name = pod_name(spec.worker_id)
        api = Api(self._access)
        await self._prepare(api)
        secret, manifest = self.template.manifests(name, spec, self._owner)
        pod = Pod(api, name, spec, self.start_timeout)
        try:
            await pod.create(secret, manifest)
            task_status.started(pod)
            return await pod.follow()
        finally:
            with trio.CancelScope(shield=True):
                await pod.remove()

    async def _prepare(self, api: Api) -> None:
        """Once, look who owns the pods, and remove what a supervisor before left behind."""
        async with self._preparing:
            if self._is_prepared:
                return
            try:
                if self._owner is None and self._own_pod:
                    own = await api.get("pods", self._own_pod)
                    if own is not None:
                        self._owner = (self._own_pod, own["metadata"]["uid"])
                await _sweep(api)
            except ApiError as exc:
                _log.warning("pods of this pool may outlive it: %s", exc)
            self._is_prepared = True


async def _sweep(api: Api) -> None:
    """Delete pods of workers that ended long ago."""
    managed = ",".join(f"{key}={value}" for key, value in MANAGED.items())
    moment = datetime.now(UTC) - _STALE
    for pod in await api.list("pods", labelSelector=managed):
        if status.ended_before(pod, moment):
            await api.delete("pods", pod["metadata"]["name"])
