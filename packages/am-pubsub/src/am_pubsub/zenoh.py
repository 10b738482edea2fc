"""Topics over zenoh. Needs the extra `zenoh`: `pip install "am-pubsub[zenoh]"`."""

from ._transports.zenoh import Zenoh as Zenoh

__all__ = ["Zenoh"]

Zenoh.__module__ = __name__
