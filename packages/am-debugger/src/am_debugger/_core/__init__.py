"""What the debugger is: one machine, and the model that its handlers move.

* `states`: the schema, and the arguments of its actions
* `places`: where the user was;  `session`: machines, cursors, filters: time travel as values
* `ports`: what a screen and files have to offer
* `moving`, `choosing`, `showing`, `working`, `drawing`: handlers, by what they are about
* `debugger`: the machine with all of it
"""
