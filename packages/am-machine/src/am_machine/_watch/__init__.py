"""What can be listened to: log lines, tracers, journals, the semantic log.

* `log`: levels, lines, where they go;  `tracer`: hooks;  `journal`: what happened, for later
* `note`, `details`: what transitions leave for journals
* `entries`, `journal_details`: what a journal tells;  `replay`, `part`: how it is made of that
* `sem_log`: switches and pipes;  `resolution_trace`: how a plan was resolved, in lines and steps
* `listening`: all of these of one machine, and how much its transitions have to tell
"""
