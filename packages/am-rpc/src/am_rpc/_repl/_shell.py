"""The shell: a prompt on a terminal, or commands from a pipe."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from .._escape import escape
from ._addr_files import make_private
from ._completion import candidates
from ._outcome import Code, CommandError, Outcome
from ._script import split

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import History

    from ._machine import Repl
    from ._output import Output

HINT: Final = "Tab completes; help, cheatsheet and exit say the rest."


class Interrupts:
    """Turns Ctrl+C and SIGTERM into the end of what runs."""

    def __init__(self) -> None:
        self._scope: trio.CancelScope | None = None
        self.terminated = False
        # Ends a prompt that is open.
        self.on_terminate: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[None]:
        """Take the signals while in the block; they then interrupt nothing else."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._follow, signals)
                yield
                nursery.cancel_scope.cancel()

    async def _follow(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            if number == signal.SIGTERM:
                self.terminate()
            elif self._scope is not None:
                self._scope.cancel()

    def terminate(self) -> None:
        """End what runs, and let nothing follow it."""
        self.terminated = True
        self.on_terminate()
        if self._scope is not None:
            self._scope.cancel()

    async def run(self, fn: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Return what the function returns, or that it was interrupted."""
        outcome = Outcome(Code.INTERRUPTED, error="interrupted")
        with trio.CancelScope() as self._scope:
            outcome = await fn()
        self._scope = None
        return outcome


async def run_shell(repl: Repl, output: Output, interrupts: Interrupts) -> Code:
    """Run commands until `exit` or the end of input; return the code of the last one."""
    await repl.settle()
    read: Callable[[], str | None] = _read_line
    if sys.stdin.isatty() and sys.stdout.isatty():
        read = _Prompt(repl, interrupts).read
        repl.mach.add("ListMachines")
        await repl.mach.when_not("ListMachines", "CmdList", "CmdStatus")
        if not output.as_json:
            output.notice(HINT)
    return await _loop(repl, output, interrupts, read)


async def _loop(
    repl: Repl, output: Output, interrupts: Interrupts, read: Callable[[], str | None]
) -> Code:
    code = Code.OK
    while not interrupts.terminated:
        repl.mach.add("ReplMode")
        line = await trio.to_thread.run_sync(read)
        if line is None:
            break
        try:
            words = split(line)
        except CommandError as error:
            code = error.code
            output.fault(str(error))
            continue
        if not words:
            continue
        outcome = await run_one(repl, output, interrupts, words)
        code = outcome.code
        if outcome.ends_shell:
            break
    return code


async def run_one(
    repl: Repl, output: Output, interrupts: Interrupts, words: Sequence[str]
) -> Outcome:
    """Run a command that Ctrl+C may end."""
    outcome = await interrupts.run(lambda: repl.run(words))
    if outcome.code is Code.INTERRUPTED and output.lost is None:
        output.show(words[0], outcome)
    return outcome


def _read_line() -> str | None:
    return sys.stdin.readline() or None


class _Prompt:
    """A prompt with history and completion. It reads in a thread of its own."""

    def __init__(self, repl: Repl, interrupts: Interrupts) -> None:
        from prompt_toolkit import PromptSession

        self._repl = repl
        self._session: PromptSession[str] = PromptSession(
            self._text, completer=_completer(repl), history=_history(), complete_while_typing=False
        )
        interrupts.on_terminate = self._end

    def _text(self) -> str:
        pool = self._repl.pool
        return f"arpc {len(pool.connected)}/{len(pool.peers)}> "

    def _end(self) -> None:
        app = self._session.app
        if app.is_running and app.loop is not None:
            app.loop.call_soon_threadsafe(lambda: app.exit(exception=EOFError()))

    def read(self) -> str | None:
        """Return a line; an empty one after Ctrl+C, None at the end."""
        from prompt_toolkit.patch_stdout import patch_stdout

        with ExitStack() as printed:

            def begin() -> None:
                # What other tasks print from now on appears above the prompt. Not before the
                # prompt has its loop: what is on its way then would come out below it.
                printed.enter_context(patch_stdout(raw=True))

            try:
                return self._session.prompt(pre_run=begin)
            except KeyboardInterrupt:
                return ""
            except EOFError:
                return None


def _completer(repl: Repl) -> Completer:
    from prompt_toolkit.completion import Completer, Completion

    class ReplCompleter(Completer):
        """Completes from what the replicas hold."""

        def get_completions(
            self, document: Document, complete_event: CompleteEvent
        ) -> Iterable[Completion]:
            """Return what could stand in place of the word before the cursor."""
            line = document.text_before_cursor
            words = line.split()
            typed = 0 if not words or line[-1:].isspace() else len(words[-1])
            for candidate in candidates(line, repl.pool):
                yield Completion(
                    candidate.text,
                    start_position=-typed,
                    display=escape(candidate.text),
                    display_meta=escape(candidate.meta),
                )

    return ReplCompleter()


def _history() -> History:
    """Commands of earlier sessions, readable by this user only; or none if there is no place."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(home, "arpc", "history")
    try:
        make_private(path.parent)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.fchmod(handle, 0o600)  # whatever the umask took away
        finally:
            os.close(handle)
    except (OSError, RuntimeError):
        return InMemoryHistory()
    return FileHistory(str(path))
