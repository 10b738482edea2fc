"""Declarations and what follows from them by relations alone: values in, values out.

* `state`, `states`: what a program declares;  `schema`: the same compiled, and `tables` of masks
* `resolve`: the target of a mutation;  `resolution`, `explanation`, `steps`: the same with reasons
* `handlers`: how handler names are read;  `plans`: what mutations come to, kept in a `plan_book`
"""
