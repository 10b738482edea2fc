"""Histories: what a machine's states did, kept in memory or in SQLite, and asked about by time.

* `_model`: records, configuration and queries as values;  `_api`: what every history offers
* `_recorder`, `_listener`: the tracers that decide what becomes a record;  `_notes`: which do
* `_trail`: steps, from one record to the next
* `_memory`: records in a ring

A file, from the machine to the disk:

* `_sqlite`: the history of one machine;  `_store`: the file that it shares with others
* `_member`: a history as the writer knows it
* `_writer`: the thread that writes;  `_requests`: what it is asked;  `_transactions`: what it does
* `_ledger`, `_claims`: entering machines, and whose they are;  `_batch`: records as rows
* `_tables`: the format;  `_file_id`: whether the file is still there

And back:

* `_reader`: questions;  `_search`: which records;  `_vectors`: their ticks
* `_file`: for those who only read;  `_cli`: the command `am-history`
* `_restore`: a machine from a history;  `_schema_json`: schemas as plain values
"""
