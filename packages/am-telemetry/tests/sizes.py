"""How much of what tests draw at random they draw: a little each day, more in a night."""

import os

TIMES = int(os.environ.get("AM_TELEMETRY_TIMES", "1"))
"""How many times as many cases as every day."""
