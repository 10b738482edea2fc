"""Entry point of the `arpc` command; tells how to get what it needs if that is missing."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_NEEDED = ("click", "prompt_toolkit", "rich")


def main() -> None:
    """Run `arpc` and exit with its code."""
    # Looked for and not imported: few commands need them all.
    missing = next((name for name in _NEEDED if find_spec(name) is None), None)
    if missing:
        print(f"arpc needs {missing}: pip install 'am-rpc[repl]'", file=sys.stderr)
        sys.exit(2)
    from ._cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
