"""What is read from files and written to them.

* `stream_file`: compressed bytes within bounds;  `atomic`: files that are there whole or not
* `dump`: how a dump is laid out;  `dump_writer`, `dump_reader`: the store to a dump and back
* `inspect`: a dump as text;  `outputs`: what is shown, as files that follow it
* `diagrams`: pictures of machines, states and steps, drawn in a process of their own
"""
