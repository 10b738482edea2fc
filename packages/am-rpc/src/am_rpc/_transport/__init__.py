"""Streams: how bytes get from one end to the other.

* `address`, `websocket`: opening and accepting streams
* `driver`: one connection;  `writer`: its outgoing half;  `meter`: a stream that counts
* `signal`: one task wakes another
"""
