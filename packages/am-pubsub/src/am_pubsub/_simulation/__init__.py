"""A discrete-event loop with a network: many cores in one thread, in virtual time."""
