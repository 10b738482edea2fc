"""Topics over libp2p; experimental. Needs the extra `libp2p`: `pip install "am-pubsub[libp2p]"`."""

from ._transports.libp2p import Libp2p as Libp2p

__all__ = ["Libp2p"]

Libp2p.__module__ = __name__
