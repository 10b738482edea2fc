"""``python -m am_node`` is the command ``am-node``."""

from am_node._cli import main

if __name__ == "__main__":
    main()
