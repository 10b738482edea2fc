"""The same loop over four ways into another process."""
