"""The command line: ``am-node supervisor | work | map | status | drain | worker``.

Exit codes: 0 done, 1 the work failed, 2 usage, 3 no supervisor or worker, 4 time-out, 5 a result
could not be written, 130 interrupted. What went wrong is one line on stderr.
"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from am_helpers.completion import offer_completion

from . import asking, map, supervise, work
from .codes import FAILED, INTERNAL, INTERRUPTED, code_of, complain
from .options import extend_path

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger("am_node")
_EPILOG = """examples:
  am-node supervisor squarer:Squarer --workers 4    a pool that stays
  am-node work squarer:Squarer --arg input --val 12 one request to it
  am-node map squarer:Squarer < inputs.jsonl        a pool for as long as it takes
  am-node status
  source <(am-node --print-completion bash)

exit codes: 0 done, 1 the work failed, 2 usage, 3 no supervisor or worker, 4 time-out,
5 a result could not be written, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments == ["worker"]:
        _be_worker()
    options = _parser().parse_args(arguments)
    sys.exit(_run(options))


def _run(options: argparse.Namespace) -> int:
    try:
        extend_path(options.path)
        return int(options.run(options))
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as exc:
        return _told(exc)


def _told(error: BaseException) -> int:
    """Tell what ended a command, in one line; return its exit code."""
    while isinstance(error, BaseExceptionGroup):
        # The first is the cause; the others were under way when it came.
        error = error.exceptions[0]
    code = code_of(error)
    if code == FAILED:
        complain(f"the work failed: {error}")
    elif code == INTERNAL:
        _log.debug("a fault of this program", exc_info=error)
        complain(f"{type(error).__name__}: {error} (--log debug shows where)")
    elif code != INTERRUPTED and not getattr(error, "quiet", False):
        complain(str(error))
    return code


class _Command(argparse.ArgumentParser):
    """The parser of one command, which takes options between its words, too: `map X --ordered F`.

    argparse by itself gives an optional word up at the first option.
    """

    _is_inside = False

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        """Parse; `parse_known_intermixed_args` calls this again for its parts."""
        if self._is_inside:
            return super().parse_known_args(*args, **options)
        self._is_inside = True
        try:
            return self.parse_known_intermixed_args(*args, **options)
        finally:
            self._is_inside = False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="am-node",
        description="Supervised worker pools.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    offer_completion(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Command)
    for module in (supervise, work, map, asking):
        module.add(commands)
    worker = commands.add_parser("worker", help="be a worker; only a supervisor starts this")
    worker.set_defaults(run=lambda options: _be_worker(), path=[])
    return parser


def _be_worker() -> NoReturn:
    # Here, as no other command needs it.
    from .._worker.main import run_worker

    run_worker()
