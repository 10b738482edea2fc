"""A topic of many peers in virtual time: what it costs, and what it survives.

Nothing waits and nothing is sent; the same seed gives the same run, byte for byte.
"""

from ._simulation.network import Network as Network
from ._simulation.network import Node as Node
from ._simulation.scenarios import SCENARIOS as SCENARIOS
from ._simulation.scenarios import Figure as Figure

__all__ = ["SCENARIOS", "Figure", "Network", "Node"]

for _name in ("Figure", "Network", "Node"):
    globals()[_name].__module__ = __name__
del _name
