"""What machines did, as a stream for a debugger."""
