"""One version at work: reads lines of JSON, does what they say, answers in lines of JSON.

`[row, null]` prepares a row and answers with how many operations a sample should have;
`[row, count]` does so many and answers with the figure per operation.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import am_machine

if Path(sys.argv[1]) not in Path(am_machine.__file__).parents:
    sys.exit(f"am_machine was imported from {am_machine.__file__}, not from {sys.argv[1]}")

from rows import COUNTS, ROWS, Timed

SAMPLE_SECONDS = 0.004


def operations_in(run: Timed) -> int:
    """How many operations take as long as a sample should; it warms them up, too."""
    count = 1
    while (taken := run(count)) < SAMPLE_SECONDS / 2:
        count *= 2
    return max(1, round(count * SAMPLE_SECONDS / taken))


def main() -> None:
    prepared: dict[str, Timed] = {}
    for line in sys.stdin:
        row, count = json.loads(line)
        if count is None:
            prepared[row] = ROWS[row]()
            answer: float = COUNTS.get(row) or operations_in(prepared[row])
            gc.collect()
        else:
            run = prepared[row]
            gc.disable()
            run(1 + count // 20)  # brings its code and data back into the caches
            answer = run(count) / count
            gc.enable()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
