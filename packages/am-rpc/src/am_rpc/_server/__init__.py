"""The server: a machine behind an address.

* `mux`: a listener for many clients;  `server`: one source for one client
* `acceptor`, `handshake`: from a stream to a known peer
* `client_session`, `executing`, `pushing`, `payload_sender`: a client that is served
* `observer`: the tracer at the source;  `session`: what outlives a connection
"""
