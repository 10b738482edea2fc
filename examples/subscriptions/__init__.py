"""Every way to wait."""
