"""A graph of dependencies."""
