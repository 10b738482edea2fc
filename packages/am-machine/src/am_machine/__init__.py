"""A clock-based, relational, multi-state machine on trio."""
