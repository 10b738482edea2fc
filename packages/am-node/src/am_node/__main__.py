"""``python -m am_node`` is the command ``am-node``."""

import sys

if __name__ == "__main__":
    # A worker has no use for the rest of the command line, whose import would delay its start.
    if sys.argv[1:] == ["worker"]:
        from am_node._worker.main import run_worker

        run_worker()
    from am_node._cli.cli import main

    main()
