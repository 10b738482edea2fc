"""Transparent RPC for asyncmachine: remote machines that feel local."""
