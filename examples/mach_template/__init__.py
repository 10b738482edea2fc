"""The beginning of a service, to be copied."""
