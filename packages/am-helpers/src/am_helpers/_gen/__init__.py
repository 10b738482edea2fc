"""The command `am-gen`: states files, classes of handlers and diagrams.

* `_states_file`: a States class as source text, pure;  `_bases`: the schemas it may inherit
* `_handlers_file`: a base class of handlers as source text, pure
* `cli`: the command line
"""
