"""Which threads of histories there are, asked from outside."""

import threading


def running() -> list[str]:
    """The names of writers."""
    return [thread.name for thread in _writers()]


def left_over() -> list[str]:
    """Those that do not end; a writer has its last word just before its thread is over."""
    for thread in _writers():
        thread.join(10)
    return running()


def _writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("history ")]
