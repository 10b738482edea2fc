"""The diagrams pane: outputs in a browser that follows the cursor. Needs the extra `[web]`.

* `guard`: who may ask;  `files`: which files there are;  `serving`: HTTP and sockets
* `pane`: pages, files, and what browsers are told;  `handlers`: the state that serves it
"""
