"""Connect the states of machines."""
