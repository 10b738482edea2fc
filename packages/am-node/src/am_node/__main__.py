"""``python -m am_node worker``."""

import sys

from am_node import run_worker


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["worker"]:
        run_worker()


if __name__ == "__main__":
    main()
