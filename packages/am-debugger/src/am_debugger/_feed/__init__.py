"""What comes in over the network, and goes on to others.

* `listening`: addresses, sockets, TLS
* `incoming`: one connection of an exporter, from hello to its end
* `outgoing`: what is kept and what comes, to a viewer or another debugger;  `forward`: the latter
* `server`: who listens, and all connections
"""
