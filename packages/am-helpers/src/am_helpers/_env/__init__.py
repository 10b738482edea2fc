"""Debugging by environment variables.

* `values`: variables as untrusted input;  `switches`: what they do to a machine
* `logs`, `health`, `watchdog`: what can be switched on;  `debug_mode`: longer time-outs
"""
