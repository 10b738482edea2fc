"""Pipes: states of one machine that follow those of another.

* `pipe`: one pipe, from a binding at its source to mutations of its target
* `pipes`: the public ways to make some;  `mirror`: a machine made of them
"""
