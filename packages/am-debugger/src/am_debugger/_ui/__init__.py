"""The screen: the one room that knows textual. A widget reads the session and adds states.

* `colors`: styles by meaning;  `keys`: every key and what it does
* `lines`: panes that draw only lines that changed
* `virtual`: lists of which only the visible rows are made;  `rows`: what rows say, as text
* `panes`, `bars`, `toolbars`, `dialogs`: what there is to see
* `port`: what the machine asks of the screen;  `app`: all of it;  `launcher`: textual and trio
"""
