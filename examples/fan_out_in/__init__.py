"""Tasks as states, a few at once, all together make Ready."""
