"""Diagrams as text: schemas, machines, graphs and single transitions, in Mermaid and in D2.

* `view`: what is to be drawn, taken from any of these;  `sequence`: the same for a transition
* `mermaid`, `d2`: the two languages;  `render`: installed programs that make pictures of them
"""
