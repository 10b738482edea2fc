"""A worker pool does real work on real files, loses a worker, and proves its result."""
