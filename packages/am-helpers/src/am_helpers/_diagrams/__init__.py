"""Diagrams as text: schemas, machines, graphs, transitions and explanations, in Mermaid and in D2.

* `view`: what is to be drawn, taken from any of these;  `sequence`: the same for a transition
* `explained`: and for an explanation
* `mermaid`, `d2`: the two languages;  `render`: installed programs that make pictures of them
"""
