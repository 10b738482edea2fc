"""The supervisor: it starts workers, keeps them healthy, and leases them to clients."""
