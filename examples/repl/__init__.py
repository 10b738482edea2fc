"""Three machines to steer from a terminal."""
