"""Shell completion for commands that are made with argparse: `--print-completion bash`.

Needs shtab, the extra `completion`; a command without it says so. A shell takes what is printed:

    source <(am-gen --print-completion bash)
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SHELLS", "offer_completion"]

SHELLS = ("bash", "zsh", "tcsh")


class _PrintCompletion(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        try:
            import shtab
        except ImportError:
            how = "pip install 'am-helpers[completion]'"
            print(f"{parser.prog}: {option_string} needs shtab: {how}", file=sys.stderr)
            parser.exit(2)
        print(shtab.complete(parser, str(values)))
        parser.exit(0)


def offer_completion(parser: argparse.ArgumentParser) -> None:
    """Give a command the option `--print-completion SHELL`.

    It prints a script for bash, zsh or tcsh that completes the parser's commands and options, and
    ends the program with code 0; with code 2 if shtab is not installed. Call it once the parser is
    whole, or before: what counts is the parser at the time of printing.
    """
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=SHELLS,
        default=argparse.SUPPRESS,
        help="print a script for the shell, which completes this command, and end",
    )
