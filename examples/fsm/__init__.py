"""A classic state machine: the turnstile."""
