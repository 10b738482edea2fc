"""A flight board whose states reach many readers through a tree of replicas."""
