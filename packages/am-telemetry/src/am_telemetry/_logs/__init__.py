"""What machines logged, as records."""
