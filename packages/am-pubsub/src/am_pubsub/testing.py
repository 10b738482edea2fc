"""Topics without a network.

`MemoryNetwork` carries topics inside one process, on trio's clock, so that tests of programs need
no sockets. `Network` and `SCENARIOS` play topics of many peers in virtual time: nothing waits,
nothing is sent, and the same seed gives the same run, byte for byte. `CONFORMANCE` are checks for
a transport of one's own.
"""

from ._simulation.network import Network as Network
from ._simulation.network import Node as Node
from ._simulation.scenarios import SCENARIOS as SCENARIOS
from ._simulation.scenarios import Figure as Figure
from ._testing.conformance import CONFORMANCE as CONFORMANCE
from ._testing.conformance import Carrier as Carrier
from ._transports.memory import MemoryNetwork as MemoryNetwork

__all__ = ["CONFORMANCE", "SCENARIOS", "Carrier", "Figure", "MemoryNetwork", "Network", "Node"]

for _name in ("Figure", "MemoryNetwork", "Network", "Node"):
    globals()[_name].__module__ = __name__
del _name
