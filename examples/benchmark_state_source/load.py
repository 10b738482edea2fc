"""One reader: `python -m examples.benchmark_state_source.load SECONDS PORT…` asks again and again.

Prints, as JSON, of each answer when it was there, by the clock that all processes of this host
share, and the sum of the board's clock that it told.
"""

from __future__ import annotations

import json
import sys
import time
from http.client import HTTPConnection
from itertools import cycle


def ask(port: str) -> int:
    """The sum of the clock that a node knows now."""
    connection = HTTPConnection(f"127.0.0.1:{port}", timeout=10)
    try:
        connection.request("GET", "/")
        return int(json.loads(connection.getresponse().read())["time"])
    finally:
        connection.close()


def read(seconds: float, ports: list[str]) -> list[tuple[float, int]]:
    """Ask the nodes in turn for so long."""
    answers: list[tuple[float, int]] = []
    until = time.monotonic() + seconds
    for port in cycle(ports):
        seen = ask(port)
        now = time.monotonic()
        answers.append((now, seen))
        if now >= until:
            return answers
    return answers


if __name__ == "__main__":
    print(json.dumps(read(float(sys.argv[1]), sys.argv[2:])))
