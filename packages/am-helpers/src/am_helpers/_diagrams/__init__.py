"""Diagrams as text: schemas, machines, graphs and single transitions, in Mermaid and in D2.

* `_view`: what is to be drawn, taken from any of these;  `_sequence`: the same for a transition
* `_mermaid`, `_d2`: the two languages;  `_render`: installed programs that make pictures of them
"""
