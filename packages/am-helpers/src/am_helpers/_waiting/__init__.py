"""Waiting for machines, and what runs while a machine waits or lives.

* `waiting`: several waits at once, periods, functions in threads
* `calls`, `request`: mutations whose outcome is awaited, and tried again;  `cond`: conditions
* `state_loop`, `task_pool`: loops and tasks with bounds;  `forks`: tasks that may never begin
"""
