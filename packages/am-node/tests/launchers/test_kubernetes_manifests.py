"""What the launcher for Kubernetes says of pods and secrets, judged by Kubernetes' own schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped,unused-ignore]
import pytest
import yaml

import am_node
from am_node._launchers.kubernetes.manifests import PodTemplate, pod_name

PAGE = Path(__file__).parents[2] / "docs" / "kubernetes.yaml"
# The oldest that is looked at, one between, and the newest that the schemas are there for.
VERSIONS = ("1.29", "1.33", "1.37")
LABELS = {"supervisor": "ns-Squarer-host-120000-1", "kind": "Squarer"}
OPTIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "everything": {
        "gpu": "amd.com/gpu",
        "grace": 90,
        "labels": {"team": "a"},
        "annotations": {"note": "b"},
        "env": {"OMP_NUM_THREADS": "1"},
        "container": {
            "imagePullPolicy": "Always",
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        },
        "spec": {
            "serviceAccountName": "workers",
            "priorityClassName": "low",
            "runtimeClassName": "nvidia",
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "imagePullSecrets": [{"name": "registry"}],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    },
}


def _template(**options: Any) -> PodTemplate:
    usual = {"image": "image:1", "command": ("python",), "cpus": 1, "memory": 2**30}
    return PodTemplate(**{**usual, **options})


def _manifests(
    resources: am_node.Resources | None = None, owner: Any = None, **options: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    spec = am_node.WorkerSpec(
        "nw-Squarer-host-a1b2c3",
        b"secret",
        labels=LABELS,
        resources=resources or am_node.Resources(),
    )
    return _template(**options).manifests("nw-1", spec, owner)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_pod_and_secret_are_what_a_cluster_takes(version: str, options: dict[str, Any]) -> None:
    needs = am_node.Resources(cpus=0.5, memory=2**30, gpus=2)
    for thing in _manifests(needs, ("supervisor-0", "uid-7"), **options):
        kubernetes_validate.validate(thing, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_supervisor_of_the_page_is_what_a_cluster_takes(version: str) -> None:
    documents = list(yaml.safe_load_all(PAGE.read_text()))
    assert len(documents) == 5
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_schemas_find_what_is_wrong() -> None:
    _, pod = _manifests()
    pod["spec"]["terminationGracePeriod"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, VERSIONS[-1], strict=True)


def test_the_configuration_is_in_the_secret_and_nowhere_else() -> None:
    secret, pod = _manifests()
    assert secret["stringData"] == am_node.boot_environment(b"secret")
    assert secret["stringData"]["AM_NODE_BOOT"] not in json.dumps(pod)


def test_both_belong_to_the_pod_of_the_supervisor() -> None:
    for thing in _manifests(owner=("supervisor-0", "uid-7")):
        (owner,) = thing["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", "supervisor-0", "uid-7")


def test_memory_and_gpus_are_limits_and_processors_are_not() -> None:
    _, pod = _manifests(am_node.Resources(cpus=0.25, memory=2**20, gpus=1))
    (container,) = pod["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "250m", "memory": "1048576"},
        "limits": {"memory": "1048576", "nvidia.com/gpu": "1"},
    }


def test_a_worker_has_no_rights_in_the_cluster_and_few_on_its_node() -> None:
    _, pod = _manifests()
    assert pod["spec"]["automountServiceAccountToken"] is False
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_what_the_user_says_of_a_pod_wins() -> None:
    own = {"securityContext": {"runAsUser": 1000}}
    _, pod = _manifests(container=own, spec={"enableServiceLinks": True, **own})
    assert pod["spec"]["securityContext"] == {"runAsUser": 1000}
    assert pod["spec"]["enableServiceLinks"] is True
    assert pod["spec"]["containers"][0]["securityContext"] == {"runAsUser": 1000}


@pytest.mark.parametrize(
    "options",
    [
        {"image": ""},
        {"command": "python -m am_node worker"},
        {"grace": 0},
        {"spec": {"containers": []}},
        {"container": {"env": []}},
        {"env": {"AM_NODE_BOOT": "x"}},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        _template(**options)


def test_names_are_what_a_cluster_takes() -> None:
    assert pod_name("nw-Squarer_2-host.x-a1b2c3") == "nw-squarer-2-host-x-a1b2c3"
    long = pod_name("nw-" + "K" * 100 + "-a1b2c3")
    assert long.endswith("-a1b2c3")
    assert len(long) <= 63
