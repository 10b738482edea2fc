"""The machine itself.

* `machine`, `base`, `reading`, `awaiting`: what users see;  `api`: what all machines share
* `queue_processing`: how mutations get into the queue and out of it
* `procedure`: one transition, step by step;  `fast_path`: a refinement of it for the usual case
* `mutation`, `transition`, `binding`: the records;  `following`: clocks that move elsewhere
* `reporting`: what a transition tells;  `introspection`: what can be asked;  `breakpoints`
* `restoring`: going on from a snapshot;  `life`: its end
"""
