"""``python -m examples.worker_pool``."""

import sys

from examples.worker_pool.main import main

if __name__ == "__main__":
    sys.exit(main())
