"""What can be listened to: log lines, tracers, journals, the semantic log.

* `log`: levels, lines, where they go;  `tracer`: hooks;  `journal`: what happened, for later
* `entries`, `details`: what a journal tells;  `replay`, `part`: how it is made of what was noted
* `sem_log`: switches and pipes;  `resolution_trace`: how a plan was resolved, in lines and steps
* `listening`: all of these of one machine, and how much its transitions have to tell
"""
