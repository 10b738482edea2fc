"""A room of the stand-in."""
