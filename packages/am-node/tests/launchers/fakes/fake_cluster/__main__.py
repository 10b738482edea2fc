"""Run a cluster until stdin ends; prints the path of its kubeconfig, which is in FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from . import Cluster


def main() -> None:
    """Serve."""
    with Cluster() as cluster:
        print(cluster.kubeconfig(Path(sys.argv[1])), flush=True)
        sys.stdin.read()


main()
