"""Flags of a command line as mutations, states as its exit code."""
