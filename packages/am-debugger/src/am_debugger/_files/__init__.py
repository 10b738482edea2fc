"""What is read from files and written to them.

* `stream_file`: compressed bytes within bounds;  `atomic`: files that are there whole or not
* `dump`: how a dump is laid out;  `dump_writer`, `dump_reader`: the store to a dump and back
* `inspect`: a dump as text
"""
