"""`arpc`: a shell and a command line for machines that are served elsewhere.

* `_serve`: the served side, `am_rpc.repl` and `am_rpc.repl_env`; needs no extra
* `_addr_files`: the meeting point, small files that hold one address each
* `_states`, `_pool`, `_machine`: the REPL is itself a machine that owns a pool of connections
* `_filters`, `_find`: which machines a command means
* `_mutations`, `_waiting`, `_looking`, `_watch`, `_script`: what commands do;  `_outcome`: what
  they come to, as values
* `_grammar`, `_completion`: how commands are written;  `_output`: how outcomes are shown
* `_shell`, `_cli`, `_main`: the terminal

Everything that comes from a machine is untrusted and is escaped in one place, `_output`.
"""
