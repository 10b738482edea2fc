"""The client: it finds a supervisor, links to workers, and hands them work."""
