"""Shell completion of the command: `source <(am-telemetry --print-completion bash)`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

SHELLS = ("bash", "zsh", "tcsh")


class PrintCompletion(argparse.Action):
    """Prints a script for a shell and ends the program; code 2 without shtab, which writes it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Print for the shell that was named."""
        try:
            import shtab
        except ImportError:
            how = "pip install 'am-telemetry[completion]'"
            print(f"{parser.prog}: {option_string} needs shtab: {how}", file=sys.stderr)
            parser.exit(2)
        print(shtab.complete(parser, str(values)))
        parser.exit(0)
