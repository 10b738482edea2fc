"""A terminal application that belongs to a machine."""
