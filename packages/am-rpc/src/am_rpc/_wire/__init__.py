"""The wire: values in, bytes out, and back; no I/O, no clock, no machine.

* `protocol`: one end of a connection;  `messages`, `handshake_messages`, `mutation_messages`,
  `server_messages`: what is said;  `codec`, `parse`: bytes and checked values
* `bounds`, `fitting`: what a peer takes, checked before anything is sent
* `auth`, `schema`, `typed_args`: secrets, schemas and args classes in wire form
* `delta_encoder`, `checksum`, `payload_chunks`: clocks as differences, payloads in pieces
"""
