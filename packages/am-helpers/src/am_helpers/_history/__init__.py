"""Histories: what a machine's states did, kept in memory or in SQLite, and asked about by time.

* `_model`: records, configuration and queries as values;  `_api`: what every history offers
* `_recorder`: the tracer that decides what becomes a record
* `_memory`: records in a ring
* `_tables`, `_reader`, `_writer`, `_sqlite`: records in a file
* `_restore`: a machine from a history
"""
