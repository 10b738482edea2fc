"""Errors of the stand-in."""


class RayActorError(Exception):
    """The actor died before it answered."""
