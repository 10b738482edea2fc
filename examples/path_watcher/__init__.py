"""Watch directories for programs."""
