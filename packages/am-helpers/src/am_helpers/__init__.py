"""Reusable schemas, pipes, waiting, history and diagrams for asyncmachine."""
