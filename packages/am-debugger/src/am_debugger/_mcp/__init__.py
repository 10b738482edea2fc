"""The debugger for agents: tools of the Model Context Protocol over the same states as keys."""
