"""What looks wrong in a run: small rules, each over one machine.

* `finding`: what a rule says;  `watch`: what is noted of a machine while it is gone through
* `flips`, `refusals`, `measures`: the notes, each of one kind
* `flapping`, `refused`, `growing_queue`, `slow_handler`, `unmet_wait`, `blocked_auto`,
  `unhandled`: a rule each
* `lints`: all rules over all machines, in small steps

Nothing is looked at twice, so that what comes in is looked at as it comes. A machine, or a state,
with the tag `dbg:quiet` is never complained of.
"""
