"""The approval of an expense, as states and as plain code."""
