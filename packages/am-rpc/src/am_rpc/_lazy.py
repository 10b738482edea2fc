"""Public names that are loaded when they are first asked for.

Workers and servers need no replica, clients no server, and who only inherits from the schemas
neither; few programs need the facade for code without trio or what serves the REPL, look for
machines or sockets, or pipe what servers do.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_PACKAGE: Final = __name__.rpartition(".")[0]
_MODULE_OF: Final = {
    "Mux": "_server.mux",
    "Server": "_server.server",
    "Serving": "_server.handshake",
    "ClientSecrets": "_wire.keys",
    "Key": "_wire.keys",
    "Secrets": "_wire.keys",
    "MachineInfo": "_wire.catalog_messages",
    "Protocol": "_wire.protocol",
    "start_tls": "_transport.address",
    "Client": "_client.client",
    "connect": "_client.client",
    "NetworkMachine": "_client.network_machine",
    "BlockingMachine": "_client.blocking",
    "BlockingWait": "_client.blocking",
    "blocking": "_client.blocking",
    "bind_mux": "_pipes",
    "bind_server": "_pipes",
    "bind_server_multi": "_pipes",
    "has_user_sockets": "_transport.user_sockets",
    "user_socket": "_transport.user_sockets",
    "user_sockets": "_transport.user_sockets",
    "list_machines": "_client.listing",
    "TrafficMeter": "_transport.meter",
    "ReplServer": "_repl._serve",
    "repl": "_repl._serve",
    "repl_env": "_repl._serve",
}


def show_public_module(public: dict[str, Any], names: Iterable[str]) -> None:
    """Let users and pickles see the public module, whichever room a name is in."""
    for name in names:
        value = public.get(name)
        if hasattr(value, "__name__") and value.__module__.startswith(f"{_PACKAGE}."):
            value.__module__ = _PACKAGE


def load(name: str) -> Any:
    """Return a name of the package that was not loaded yet.

    :raises AttributeError: if there is no such name.
    """
    if name not in _MODULE_OF:
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
    import_module(f"{_PACKAGE}.{_MODULE_OF[name]}")
    public = vars(sys.modules[_PACKAGE])
    # All that is loaded by now: an object may come into a user's hands, and into a pickle, before
    # its class is asked for.
    for other, where in _MODULE_OF.items():
        module = sys.modules.get(f"{_PACKAGE}.{where}")
        if module is not None and hasattr(module, other):  # it may be on its way in
            public[other] = getattr(module, other)
    show_public_module(public, _MODULE_OF)
    return public[name]
