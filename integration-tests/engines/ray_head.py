"""A real Ray on loopback, with a private folder: a head without room, and two nodes for workers."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import ray
from ray.cluster_utils import Cluster
from ray.util import list_named_actors, placement_group, remove_placement_group

from am_node.ray import RayLauncher

from .services import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    import am_node

    from .services import Services

CPUS = 16  # as many as the tests need, whatever this machine has
_LOOPBACK = "127.0.0.1"
_TRIES = 3


class RayHead:
    """A cluster of which a node for workers can go away."""

    name = "ray"
    queues = True

    def __init__(self, services: Services) -> None:
        self.services = services
        self._cluster: Cluster | None = None
        self._taken: Any = None

    def start(self) -> None:
        """Start all nodes, and connect this process."""
        # Where Ray keeps its files. It looks at these variables before it starts anything.
        place = {"RAY_TMPDIR": str(self.services.folder), "RAY_USAGE_STATS_ENABLED": "0"}
        os.environ.update(
            self.services.environment({**place, "RAY_raylet_start_wait_time_s": "90"})
        )
        (self.services.folder / "ray").mkdir()
        head = {
            "num_cpus": 0,
            "node_ip_address": _LOOPBACK,
            "include_dashboard": False,
        }
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._node, _ = self._add_node(), self._add_node()
        ray.init(address=self._cluster.address, log_to_driver=False, namespace="tests")

    def _add_node(self) -> Any:
        """Start a node for workers. It has half a minute, which a busy machine may exceed."""
        assert self._cluster is not None
        for _ in range(_TRIES - 1):
            with contextlib.suppress(Exception):
                return self._cluster.add_node(num_cpus=CPUS, node_ip_address=_LOOPBACK)
        return self._cluster.add_node(num_cpus=CPUS, node_ip_address=_LOOPBACK)

    def stop(self) -> None:
        """Leave the cluster and end it."""
        ray.shutdown()
        if self._cluster is not None:
            self._cluster.shutdown()

    def settings(self, command: Sequence[str]) -> dict[str, Any]:
        """The arguments of its launcher; of the command only its environment is of use."""
        assert self._cluster is not None
        variables = dict(word.split("=", 1) for word in command if "=" in word)
        address = str(self._cluster.address)
        return {"runtime_env": {"env_vars": variables}, "cpus": 0.5, "address": address}

    def launcher(self, command: Sequence[str]) -> am_node.Launcher:
        """What starts workers here."""
        return RayLauncher(**self.settings(command))

    def left(self) -> list[str]:
        """Actors that Ray does not know to be dead; the launcher names each."""
        return [f"actor {actor['name']}" for actor in list_named_actors(all_namespaces=True)]

    def occupy(self) -> None:
        """Reserve all processors of all nodes."""
        nodes = [node["Resources"].get("CPU", 0) for node in _alive()]
        self._taken = placement_group([{"CPU": cpus} for cpus in nodes if cpus])
        ray.get(self._taken.ready(), timeout=30)

    def make_room(self) -> None:
        """Give them back."""
        remove_placement_group(self._taken)

    def cut_off(self) -> None:
        """Kill the node's raylet; what runs there ends with it."""
        assert self._cluster is not None
        self._cluster.remove_node(self._node, allow_graceful=False)

    def bring_back(self) -> None:
        """Wait until Ray has noticed that a node is gone; the other one takes its work."""
        gone = self._node.node_id
        until(lambda: gone not in {node["NodeID"] for node in _alive()}, 60, "it counts as alive")


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]
