"""Supervised worker pools for asyncmachine."""
