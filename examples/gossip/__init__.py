"""Peers that know each other's machines, without a leader, a registry or configured addresses."""
