"""How a worker is started: on this host, in this process, over ssh."""
