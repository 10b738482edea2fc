"""A machine behind an ASGI application."""
