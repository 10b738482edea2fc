"""Errors of the stand-in."""


class RayError(Exception):
    """Whatever Ray raises."""


class RayActorError(RayError):
    """The actor died before it answered."""
