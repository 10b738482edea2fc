"""Every error that helpers raise or add to a machine, one class per situation."""

from __future__ import annotations

import am_machine as am


class HelpersError(am.Error):
    """Base of all errors of this package."""


class ConnectingError(HelpersError):
    """Connecting to a peer failed; ``__cause__`` is the original error."""


class DisposedError(HelpersError):
    """A wait ended because its machine was disposed, or because the wait was cancelled."""


class WaitTimeoutError(HelpersError, TimeoutError):
    """The time of a waiting call ran out.

    ``open`` names the waits which were not done by then; ``seconds`` is the time that was granted.
    """

    def __init__(self, open_waits: tuple[str, ...], seconds: float) -> None:
        self.open = open_waits
        self.seconds = seconds
        super().__init__(f"not done after {seconds:g} s: {', '.join(open_waits)}")


class MachineError(HelpersError):
    """A machine is in its ``Exception`` state; ``__cause__`` is ``machine.err`` if it is known."""


class CanceledError(HelpersError):
    """A mutation was canceled. ``tries`` counts how often it was tried (1 unless repeated)."""

    def __init__(self, message: str, tries: int = 1) -> None:
        self.tries = tries
        super().__init__(message)


class HostClosedError(HelpersError):
    """Trio in an asyncio program ended, and with it a call or a machine that was in it."""


class LoopError(HelpersError):
    """The ticks of a guarded loop grew faster than its threshold allows."""


class PipeError(HelpersError):
    """Base of the errors which a pipe adds to its source machine. They are never piped back."""


class PipeLoopError(PipeError):
    """A mutation travelled through too many machines; the pipe stopped it."""


class PipeRefusedError(PipeError):
    """A remote target refused a piped mutation at the call, because its buffer is full."""


class HistoryError(HelpersError):
    """A history cannot be opened, read or restored from."""


class QueryError(HelpersError, ValueError):
    """A history query names untracked states, or its bounds do not fit together."""


class RendererMissing(HelpersError):
    """No program is installed that renders this kind of diagram; nothing was downloaded."""


class RenderError(HelpersError):
    """An installed renderer failed, or took too long; the message ends with what it said."""
