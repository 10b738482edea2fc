"""What follows from the store: values in, values out, as there.

* `moment`: all machines at one human time;  `steps`: how a transition came out as it did
* `log_lines`: what the engine would have said;  `causes`: where a transition came from, and led to
* `reader`: facts about a transition as a tree;  `filters`: which transitions are shown
* `query`: which transitions a line of text means;  `url`: addresses of places in time
"""
