"""Machines in a Jupyter notebook.

* `extension`: what ``%load_ext am_helpers`` does;  `pictures`: what is shown of an object
"""
