"""A machine in one process, used from another."""
