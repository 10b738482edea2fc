"""Topics: peers that know each other's machines and clocks, without a leader or a registry.

The rooms, bottom first:

* `_config`: all numbers
* `_gossip`: the core, which decides what is said to whom, and touches neither sockets nor clocks
* `_simulation`: many cores on a network that is late, loses and breaks, in virtual time; public as
  `am_pubsub.testing`
"""

from .__about__ import __version__ as __version__
from ._config import TopicConfig as TopicConfig

__all__ = ["TopicConfig", "__version__"]

# Users and pickles see the public module.
TopicConfig.__module__ = __name__
