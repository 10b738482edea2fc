"""`arpc` as a program: options, then the shell or one command."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import trio
from click.shell_completion import get_completion_class, shell_complete

import am_machine as am

from ..__about__ import __version__
from ._doctor import STEP_TIME, examine
from ._grammar import Command, parse, seconds
from ._machine import Repl
from ._mcp import mcp_options, serve_agent
from ._outcome import Code, CommandError, Outcome
from ._output import Output
from ._reach import access_from, source_from
from ._shell import Interrupts, run_one, run_shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_COMPLETE: Final = "_ARPC_COMPLETE"
_EPILOG: Final = """\
\b
arpc 127.0.0.1:6000                     the shell
arpc -d DIR                             the shell for all DIR/**/*.addr
arpc -d DIR -- add worker-1 Work        one command
arpc -- cheatsheet                      what can be done
arpc doctor ADDR                        why no connection comes about
arpc mcp ADDR                           machines for an agent, over stdin and stdout
source <(arpc --print-completion bash)  completion in this shell

Exit codes: 0 ok, 1 canceled or no match, 2 usage, 3 not connected, 4 timeout,
5 stdout takes nothing.
Without ADDR, -f and -d, $AM_REPL_DIR is the directory, or all sockets of this user count.
"""


def _print_completion(context: click.Context, parameter: click.Parameter, shell: str) -> None:
    """What a shell takes; it asks for words by running `arpc` with a variable set."""
    if shell and (completes := get_completion_class(shell)):
        click.echo(completes(context.command, {}, "arpc", _COMPLETE).source())
        context.exit()


@click.command(
    "arpc",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    options_metavar="[OPTIONS] ADDR... | -f FILE | -d DIR [-- COMMAND...]",
)
@click.argument("addrs", nargs=-1, metavar="")
@click.option("-f", "--file", type=click.Path(path_type=Path), help="File with addresses.")
@click.option("-d", "--dir", "folder", type=click.Path(path_type=Path), help="All *.addr below it.")
@click.option("--watch/--no-watch", default=True, help="Shell: follow changes of address files.")
@click.option("-a", "--req-all", is_flag=True, help="Command: all must connect within 1 s.")
@click.option("--timeout", type=seconds, help="Seconds a command may take.")
@click.option("--secret-file", type=click.Path(path_type=Path), help="File with the shared secret.")
@click.option("--key-id", metavar="ID", help="Id of the secret, if the server knows several.")
@click.option("--machine", "machines", metavar="ID", multiple=True, help="Only this one of many.")
@click.option("--tls-ca", type=click.Path(path_type=Path), help="TLS; certificates to trust.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document per command.")
@click.option("--log-level", type=click.IntRange(0, 5), default=0, help="Log to stderr, 0 to 5.")
@click.option("--dbg-addr", metavar="ADDR", help="Show the REPL's own machine in a debugger.")
@click.option(
    "--print-completion",
    type=click.Choice(("bash", "zsh", "fish")),
    callback=_print_completion,
    is_eager=True,
    expose_value=False,
    help="Print a script for the shell, which completes this command, and end.",
)
@click.version_option(__version__, prog_name="arpc")
def _options(**options: Any) -> dict[str, Any]:
    """Watch and steer machines that are served elsewhere."""
    return options


@click.command("doctor", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("addr")
@click.option("--timeout", type=seconds, default=STEP_TIME, help="Seconds that a step may take.")
@click.option("--secret-file", type=click.Path(path_type=Path), help="File with the shared secret.")
@click.option("--key-id", metavar="ID", help="Id of the secret, if the server knows several.")
@click.option("--machine", metavar="ID", help="The machine that is meant, where there are many.")
@click.option("--tls-ca", type=click.Path(path_type=Path), help="TLS; certificates to trust.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def _doctor_options(**options: Any) -> dict[str, Any]:
    """Say why no connection to ADDR comes about, step by step; nothing is changed there.

    Exit codes: 0 all fine, 1 the server says no (key, version, machine), 2 usage, 3 no connection,
    4 no answer in time.
    """
    return options


def _doctor(options: dict[str, Any], output: Output) -> Code:
    access = access_from(options["secret_file"], options["key_id"], options["tls_ca"])
    if options["machine"] is not None:
        access = replace(access, machines=(options["machine"],))
    try:
        outcome = trio.run(examine, options["addr"], access, options["timeout"])
    except ValueError as error:
        raise CommandError(Code.USAGE, str(error)) from error
    output.show("doctor", outcome)
    return outcome.code


def main(argv: Sequence[str] | None = None) -> int:
    """Run `arpc` and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if instruction := os.environ.get(_COMPLETE):
        return shell_complete(_options, {}, "arpc", _COMPLETE, instruction)
    if given[:1] == ["doctor"]:
        return _main(_doctor_options, given[1:], _doctor, "doctor")
    if given[:1] == ["mcp"]:
        return _main(mcp_options, given[1:], serve_agent, "mcp")
    own, words = _split(given)

    def run(options: dict[str, Any], output: Output) -> Code:
        return _run(options, words, output)

    return _main(_options, own, run, words[0] if words else "")


def _main(
    command: click.Command,
    args: list[str],
    run: Callable[[dict[str, Any], Output], Code],
    name: str,
) -> int:
    """Read options, run, and return the exit code; faults are shown in the form asked for."""
    output = Output(as_json="--json" in args)
    try:
        options = _given(command, args, output)
        if output.lost is None and sys.stdout is None:
            output.fault("arpc: stdout is closed, so no result could be written")
            return Code.UNWRITTEN
        code = Code.OK if options is None else run(options, output)
        return int(_final(code, output))
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        code, told = Code.USAGE, error.format_message()
    except CommandError as error:
        code, told = error.code, str(error)
    except KeyboardInterrupt:
        return Code.INTERRUPTED
    output.show(name, Outcome(code, error=f"arpc: {told}"))
    return code


def _given(command: click.Command, args: list[str], output: Output) -> dict[str, Any] | None:
    """The options; None if they could not write what they were to write, such as a help."""
    try:
        with command.make_context("arpc", args) as context:
            options: dict[str, Any] = command.invoke(context)
            return options
    except OSError as error:
        output.lose(error)
        return None


def _final(code: Code, output: Output) -> Code:
    """The exit code of a command whose outcome is `code`, and may not have been written."""
    if output.lost:
        output.fault(f"arpc: {output.lost}")
        return Code.UNWRITTEN
    # Whoever has read enough ended it.
    return Code.OK if output.lost == "" and code is Code.INTERRUPTED else code


def _split(argv: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Part the options from the command, which follows the first `--`."""
    args = list(argv)
    if "--" not in args:
        return args, None
    at = args.index("--")
    return args[:at], args[at + 1 :]


def _run(options: dict[str, Any], words: list[str] | None, output: Output) -> Code:
    # A command that makes no sense is told before anything is connected.
    command = None if words is None else parse(words)
    source = source_from(options["addrs"], options["file"], options["folder"])
    needs_machine = command is None or command.needs_connection
    if source.user and needs_machine and source.load() == ((), ()):
        told = "no machine of this user is served here: give ADDR, -f FILE or -d DIR; try --help"
        raise CommandError(Code.USAGE, told)
    if words is None and sys.stdin is None:
        raise CommandError(Code.USAGE, "stdin is closed: give a command after --")
    level = am.LogLevel(options["log_level"])
    if options["dbg_addr"] is not None:
        os.environ["AM_DBG_ADDR"] = options["dbg_addr"]
    is_shell = words is None and sys.stdin.isatty() and not output.as_json
    losses = _Losses(output, hold=words is not None)
    repl = Repl(
        source,
        show=output.show,
        access=replace(
            access_from(options["secret_file"], options["key_id"], options["tls_ca"]),
            machines=options["machines"],
        ),
        watch=options["watch"] and words is None,
        timeout=options["timeout"],
        log_level=level,
        on_notice=output.notice if is_shell else lambda line: None,
        on_fault=output.fault,
        on_lost=losses.tell,
    )
    with _log_lines(output, level):
        if words is None or command is None:
            return trio.run(_shell, repl, output)
        run = partial(_command, repl, output, losses, options["req_all"])
        return trio.run(run, words, command)


async def _shell(repl: Repl, output: Output) -> Code:
    interrupts = Interrupts()
    output.on_lost = interrupts.terminate
    async with interrupts.listen(), repl:
        return await run_shell(repl, output, interrupts)


class _Losses:
    """Tells of machines that were lost or not reached.

    Before a command it holds back, for one that needs a machine says itself that there is none.
    """

    def __init__(self, output: Output, *, hold: bool) -> None:
        self._output = output
        self._held: list[str] | None = [] if hold else None

    def tell(self, line: str) -> None:
        """Show a line, or hold it back."""
        if self._held is None:
            self._output.fault(line)
        else:
            self._held.append(line)

    def release(self, *, drop: bool) -> None:
        """From now on show lines at once, and what was held back unless it is dropped."""
        held, self._held = self._held or [], None
        for line in () if drop else held:
            self._output.fault(line)


async def _command(
    repl: Repl, output: Output, losses: _Losses, req_all: bool, words: list[str], command: Command
) -> Code:
    interrupts = Interrupts()
    output.on_lost = interrupts.terminate
    async with interrupts.listen(), repl:
        await repl.settle()
        gives_up = req_all and not repl.mach.is_("ConnectedFully")
        nobody = command.needs_connection and not repl.pool.connected
        losses.release(drop=gives_up or nobody)
        if gives_up:
            output.show(words[0], Outcome(Code.NOT_CONNECTED, error=repl.why_not_connected()))
            return Code.NOT_CONNECTED
        return (await run_one(repl, output, interrupts, words)).code


class _LogLines(logging.Handler):
    """Shows log lines as news: they may quote what a machine said, so they are escaped too."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        # Lines of machines carry the machine's id.
        form = "%(asctime)s %(name)s %(machine)s: %(message)s"
        self.setFormatter(logging.Formatter(form, defaults={"machine": ""}))

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, tracebacks line by line."""
        for line in self.format(record).split("\n"):
            self._output.notice(line)


@contextmanager
def _log_lines(output: Output, level: am.LogLevel) -> Iterator[None]:
    """Show the log while in the block: warnings at least, everything if a level was asked for."""
    root = logging.getLogger()
    before = root.level
    handler = _LogLines(output)
    root.addHandler(handler)
    root.setLevel(1 if level else logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
