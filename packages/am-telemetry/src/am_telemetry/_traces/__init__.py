"""What machines did, as traces."""
