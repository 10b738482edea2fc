"""Entry point of the `arpc` command; tells how to get what it needs if that is missing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `arpc` and exit with its code."""
    try:
        from ._cli import main as run
    except ModuleNotFoundError as error:
        if error.name not in ("click", "prompt_toolkit", "rich"):
            raise
        print(f"arpc needs {error.name}: pip install 'am-rpc[repl]'", file=sys.stderr)
        sys.exit(2)
    sys.exit(run())


if __name__ == "__main__":
    main()
