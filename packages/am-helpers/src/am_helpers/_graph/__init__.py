"""Machines and what connects them, as a graph.

* `graph`: nodes and edges, kept current;  `pipe_edges`: those of pipes;  `graph_text`: as text
"""
