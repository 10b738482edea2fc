"""One moment of a recorded run as a web page of its own, to be sent to somebody.

* `sheet`: what the page says, as plain values;  `gather`: these, taken from a session
* `relations`: states and their relations as a drawing;  `parts`: pieces of HTML
* `document`: the page, with `page.css` and `page.js` in it;  `export`: as a file of bounded size
"""
