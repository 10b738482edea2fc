"""What the debugger holds of each machine: columns of numbers, not objects.

Values in, values out: nothing here knows a clock, an event loop, a file or a screen. The rooms,
bottom first:

* `layout`: the wire's fields and flags, and the marks that filters go by
* `idents`: ids, to be found by their order
* `search`: columns that stay searchable though times go backwards
* `chunk`: up to 4096 transitions with what they called and changed, and their packed rest
* `columns`: all transitions of one machine;  `clocks`: its clock after any of them
* `versions`: schemas as sent;  `outer_log`: lines outside transitions
* `client`: one machine;  `tx`: a view of one transition, decoded when asked for
* `store`: all machines, by process and id;  `link`: what one connection says, taken in
* `replay`: what is kept, as messages again
* `eviction`: what goes when memory is short
"""
