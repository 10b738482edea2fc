"""The command `am-telemetry`.

* `main`: the command line;  `check`: what is set, what is missing, who answers
* `switches`: which variables there are and what they may be;  `probes`: asking an endpoint
"""
