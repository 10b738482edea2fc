"""What machines did, as metrics."""
