"""What lasts until states move: waits, contexts, tasks.

* `waits`: the awaitable and the index of those pending;  `args_waits`: those for keywords
* `waiting`: how a machine makes and wakes them
* `context`: state contexts and tasks;  `dependents`: all that lives no longer than its machine
"""
