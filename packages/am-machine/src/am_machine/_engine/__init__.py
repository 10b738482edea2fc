"""The machine itself.

* `machine` and its parts, `base`, `reading`, `awaiting`, `telling`, `handling`, which work on the
  `fields`: what users see;  `api`: what all machines share
* `queueing`, `draining`: how mutations get into the queue and out of it;  `mending`: interruptions
* `procedure`: one transition, step by step;  `fast_path`: a refinement of it for the usual case;
  `calling`: a call of a handler;  `recovery`: what a failure makes untrue
* `mutation`, `transition`, `binding`: the records;  `following`: clocks that move elsewhere
* `reporting`: what a transition tells;  `introspection`: what can be asked;  `breakpoints`
* `restoring`: going on from a snapshot;  `life`: its end
"""
