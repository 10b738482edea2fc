"""The command `am-gen`: states files and diagrams.

* `_states_file`: a States class as source text, pure;  `_bases`: the schemas it may inherit
* `cli`: the command line
"""
