"""What the debugger is: states, time travel, filters, places; one machine, its port to a screen."""
