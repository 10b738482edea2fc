"""Topics: peers that know each other's machines and clocks, without a leader or a registry.

A `Topic` offers machines of this program to all peers of that name, and has a replica of every
machine of theirs. The rooms, bottom first:

* `_config`, `_errors`: all numbers, and what may go wrong
* `_gossip`: the core, which decides what is said to whom, and touches neither sockets nor clocks
* `_transports`: what carries the bytes
* `_topic`: the topic's machine, exposed machines, replicas, filters
* `_simulation`: many cores on a network that is late, loses and breaks, in virtual time
"""

from .__about__ import __version__ as __version__
from ._config import TopicConfig as TopicConfig
from ._errors import JoinError as JoinError
from ._errors import ListenError as ListenError
from ._errors import TopicError as TopicError
from ._topic.discovery import TagAddresses as TagAddresses
from ._topic.filters import Filters as Filters
from ._topic.states import TopicStates as TopicStates
from ._topic.topic import Topic as Topic
from ._topic.watching import Added as Added
from ._topic.watching import Changed as Changed
from ._topic.watching import Removed as Removed
from ._topic.watching import Watcher as Watcher
from ._transports.base import Arrived as Arrived
from ._transports.base import Channel as Channel
from ._transports.base import DialFailed as DialFailed
from ._transports.base import Dropped as Dropped
from ._transports.base import LinkDown as LinkDown
from ._transports.base import LinkUp as LinkUp
from ._transports.base import Transport as Transport
from ._transports.links import Links as Links

__all__ = [
    "Added", "Arrived", "Changed", "Channel", "DialFailed", "Dropped", "Filters", "JoinError",
    "LinkDown", "LinkUp", "Links", "ListenError", "Removed", "TagAddresses", "Topic",
    "TopicConfig", "TopicError", "TopicStates", "Transport", "Watcher", "__version__",
]  # fmt: skip


def _show_public_module() -> None:
    """Let users and pickles see the public module, whichever room a name is in."""
    for name in __all__:
        value = globals()[name]
        if hasattr(value, "__name__") and value.__module__.startswith(__name__ + "."):
            value.__module__ = __name__


_show_public_module()
