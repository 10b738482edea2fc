"""The commands of `am-node`."""
