"""Transparent RPC for asyncmachine: remote machines that feel local.

A `Mux` puts a machine behind an address, `connect` gives a replica of it, a `NetworkMachine`,
in another process. Checks, waits and contexts on the replica cost no network call; mutations are
plain calls that travel to the source and are executed at most once.
"""

from ._options import Access as Access
from ._options import Limits as Limits
from ._options import Retry as Retry
from ._options import Sync as Sync
from ._protocol import Protocol as Protocol
