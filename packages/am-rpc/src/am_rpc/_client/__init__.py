"""The client: a connection that is kept up, and the machine it offers.

* `client`: the component;  `handshake`, `link`: one connection of it
* `calls`, `outbox`: mutations on their way;  `following`: what the server tells
* `network_machine`, `replica`, `subscriptions`: the machine that users see
* `blocking`: the same for programs without trio
"""
