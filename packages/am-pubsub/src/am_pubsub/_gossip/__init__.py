"""The gossip core: it decides, and touches neither sockets nor clocks."""
