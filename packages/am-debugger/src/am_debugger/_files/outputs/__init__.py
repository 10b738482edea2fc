"""What is shown, as files that follow the cursor.

* `texts`: the transition, the log and the machines as text;  `call_log`: handlers as they ran
* `writer`: writes what changed, all of it into one folder
* `handlers`: the states that switch outputs, and those of rendering
"""
