"""A topic: the machine, its peers, and the replicas of their machines."""
