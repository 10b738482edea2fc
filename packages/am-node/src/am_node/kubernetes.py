"""Workers as pods of Kubernetes: `KubernetesLauncher`. Needs the extra ``am-node[kubernetes]``."""

from __future__ import annotations

from ._launchers.kubernetes.launcher import KubernetesLauncher as KubernetesLauncher

__all__ = ["KubernetesLauncher"]
