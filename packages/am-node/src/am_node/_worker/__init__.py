"""A worker process: its machine, the work it does, and what it answers."""
