"""Frozen programs: each worker is the program itself, which has no other interpreter to offer."""

from __future__ import annotations

import sys

from ._entry import is_frozen

_MARK = "--am-node-worker"
_supported = False


def freeze_support() -> None:
    """Be a worker, if this process was started as one; else return. For frozen programs.

    Call it first under ``if __name__ == "__main__":`` of a program that PyInstaller, cx_Freeze or
    the like makes an executable of, below its worker classes. It does nothing in other programs.
    """
    global _supported
    if not is_frozen():
        return
    _supported = True
    if sys.argv[1:] == [_MARK]:
        # Imported only here: the program that starts workers needs nothing of it.
        from ._worker.main import run_worker

        run_worker()


def frozen_command() -> tuple[str, ...]:
    """The command that makes a worker of this frozen program.

    :raises ValueError: if it would run the program once more instead.
    """
    if not _supported:
        raise ValueError(
            "this is a frozen program, whose executable would start once more instead of a worker: "
            'call `am_node.freeze_support()` first under `if __name__ == "__main__":`, or give '
            "LocalLauncher the command of a program that calls `am_node.run_worker()`"
        )
    return (sys.executable, _MARK)
