"""How many readers a tree of replicas answers, and how old what they read is."""
