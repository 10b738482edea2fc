"""Diagrams as files, drawn in a process of their own.

* `request`: a picture as bytes, and what came of it;  `draw`: a picture as text, and as files
* `worker`: the process that draws;  `drawer`: starts it, and asks it
"""
