"""Machines in an asyncio program: trio runs as a guest on asyncio's loop, in the same thread.

Web applications under uvicorn, textual, notebooks and most bots run on asyncio, machines on trio.
Both take turns here in one thread, so mutations, checks and subscriptions stay plain calls::

    async with amh.guest.open_host() as host:  # inside asyncio
        async with host.open(machine):  # its nursery lives in trio; left = disposed
            machine.add("Start")
            await host.wait(machine.when("Ready"), timeout=5)
            rows = await host.run(trio_fn, arg)

What is awaited belongs to one side: waits and results of machines and everything of trio go through
`Host.wait` and `Host.run`. An idle guest waits in a thread, so a call into it costs about what
``loop.run_in_executor`` costs.
"""

from .._errors import HostClosedError
from ._host import Host, load_host, open_host

__all__ = ["Host", "HostClosedError", "load_host", "open_host"]


def _publish() -> None:
    """Users and pickles see the public module."""
    for name in __all__:
        globals()[name].__module__ = __name__


_publish()
del _publish
